"""Where a figure comes from: the commit, and whether the command was ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_cifar import provenance
from edge_cifar.documents.provenance import Provenance


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("/usr/bin/edge-cifar", "edge-cifar train 'my net'"),
        ("/opt/edge_cifar/__main__.py", "edge-cifar train 'my net'"),
        ("/usr/lib/ipykernel_launcher.py", None),
    ],
)
def test_the_command_is_told_where_it_is_ours(
    program: str, command: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [program, "train", "my net"])
    assert provenance.command() == command


def test_the_commit_says_whether_the_code_was_changed_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "edge_cifar"
    package.mkdir()
    module = package / "provenance.py"
    module.write_text("first\n")
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert provenance.commit() is None  # installed: no source tree around it
    _git(tmp_path, "init", "--quiet")
    assert provenance.commit() is None  # nothing committed yet
    _git(tmp_path, "add", ".")
    _git(tmp_path, "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "--quiet", "-m", "first")
    head = _git(tmp_path, "rev-parse", "HEAD").strip()
    assert provenance.commit() == head
    (tmp_path / "result.json").write_text("{}")
    assert provenance.commit() == head  # a result beside the package changes nothing that ran
    module.write_text("second\n")
    assert provenance.commit() == f"{head}+"


def test_without_git_no_commit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "edge_cifar" / "provenance.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() is None


def test_versions_are_of_what_is_installed() -> None:
    assert Provenance.now("numpy", "no-such-distribution").versions.keys() == {"numpy"}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout
