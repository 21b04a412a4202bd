"""``edge-cifar completion``: what is written for each shell, and that a shell completes by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_cifar.cli.main import main

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, with a space in its name."""
    folder = tmp_path / "my home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_as_it_stands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "show", shell]) == 0
    assert f"_EDGE_CIFAR_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_new_bash_completes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".bashrc").write_text("export OWN=kept\n")
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert main(["completion", "install"]) == 0
    asked = (
        '. "$HOME/.bashrc"; complete -p edge-cifar; echo "$OWN"; '
        "COMP_WORDS=(edge-cifar mod); COMP_CWORD=1; _edge_cifar_completion edge-cifar mod edge-cifar; "
        'echo "${COMPREPLY[0]}"'
    )
    shown = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-2] == "kept"
    assert "_edge_cifar_completion edge-cifar" in shown
    assert shown.splitlines()[-1] == "models"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_line_is_added_once_and_a_link_stays_one(
    shell: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = home / "settings"
    settings.write_text("# mine")
    startup = home / f".{shell}rc"
    startup.symlink_to(settings)
    assert main(["completion", "install", shell]) == 0
    once = settings.read_text()
    assert once.startswith("# mine\n")
    assert f"added a line to {startup}" in capsys.readouterr().out
    assert main(["completion", "install", shell]) == 0
    assert f"already read by {startup}" in capsys.readouterr().out
    assert startup.is_symlink()
    assert settings.read_text() == once


def test_fish_finds_its_script_by_itself(home: Path) -> None:
    assert main(["completion", "install", "fish"]) == 0
    assert "_EDGE_CIFAR_COMPLETE" in (home / ".config/fish/completions/edge-cifar.fish").read_text()


def test_what_cannot_be_written_is_one_sentence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".bashrc").mkdir()
    assert main(["completion", "install", "bash"]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_other_shells_are_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "show", "fsh"]) == 2
    assert "did you mean 'fish'" in capsys.readouterr().err
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["completion", "install"]) == 2
    assert "not for tcsh" in capsys.readouterr().err
