"""``bench --on``: through a real sshd on the loopback, where there is one, and what is refused beforehand."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pace import PATIENCE_SECONDS

from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.steps import remote

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
QUICK = ("--seconds", "0.05", "--images", "20")


class Elsewhere:
    """Another machine: this one, through sshd, with a home of its own.

    Attributes:
        host: what ssh calls it.
        home: its home folder.
    """

    def __init__(self, host: str, home: Path) -> None:
        self.host = host
        self.home = home

    def left_behind(self) -> list[str]:
        """What of ours lies in its folder for scratch; the runtimes have habits of their own."""
        return sorted(path.name for path in (self.home / "tmp").glob("edge-cifar*"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Elsewhere]:
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no sshd (openssh-server) and ssh to try it with")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    # A test may ask for a machine without edge-cifar: its PATH holds none.
    there = (
        "/usr/bin:/bin" if getattr(request, "param", "") == "bare" else f"{Path(sys.executable).parent}:/usr/bin:/bin"
    )
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'user.pub'}\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n"
        f"SetEnv PATH={there} HOME={home} TMPDIR={home / 'tmp'} XDG_CACHE_HOME={home / '.cache'}\n"
    )
    public = (folder / "host.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    (folder / "config").write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder / 'user'}\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder / 'known_hosts'}\n"
    )
    # The client reads the configuration of whoever the system says we are; this one reads ours instead.
    (folder / "bin").mkdir()
    (folder / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder / "config"} "$@"\n')
    (folder / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while server.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            pytest.skip(f"sshd does not run here: {(folder / 'log').read_text().strip()[-200:]}")
        yield Elsewhere("board", home)
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def run(tiny_run: Run, tiny_bundle: Bundle, tmp_path: Path) -> Run:
    """A copy of the run with two artifacts, to be written into."""
    copy = Run(tmp_path / "runs" / "resnet8")
    ignored = shutil.ignore_patterns("*.mlpackage", "*fp*.tflite", "*fp*.onnx", "bench*.json")
    shutil.copytree(tiny_run.path, copy.path, ignore=ignored)
    manifest = json.loads((tiny_bundle.path / "manifest.json").read_text())
    manifest["artifacts"] = [one for one in manifest["artifacts"] if one["variant"] in ("tflite-int8", "onnx-int8")]
    (copy.export_path / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_bundle_is_measured_there_and_its_figures_come_home_beside_our_own(
    elsewhere: Elsewhere, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(run.path), "--on", elsewhere.host, *QUICK]) == 0
    shown = capsys.readouterr()
    assert "tflite-int8" in shown.out
    assert f"next: edge-cifar report {run.path}" in shown.err
    document = json.loads((run.path / "bench-board.json").read_text())
    measured = {row["variant"]: row for row in document["results"]}
    assert {variant: row["status"] for variant, row in measured.items()} == {"onnx-int8": "ok", "tflite-int8": "ok"}
    assert all(row["accuracy"]["images"] == 20 for row in measured.values())
    assert all((run.export_path / Path(row["path"]).name).exists() for row in measured.values())
    # Nothing is left there: no copy of the bundle, no installation.
    assert elsewhere.left_behind() == []
    assert not (elsewhere.home / ".cache" / "edge-cifar").exists()

    pytest.importorskip("jinja2", reason="the page needs the report extra")
    document["machine"]["cpu_model"] = "a machine of ours"
    (run.path / "bench.json").write_text(json.dumps(document))
    assert main(["report", str(run.path)]) == 0
    page = (run.path / "report.html").read_text()
    assert "a machine of ours" in page
    assert 'id="machines-compared"' in page


@pytest.mark.parametrize("elsewhere", ["bare"], indirect=True)
def test_nothing_is_installed_without_being_asked_for(
    elsewhere: Elsewhere, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(run.path), "--on", elsewhere.host, *QUICK]) == 1
    assert "board has no edge-cifar; add --install" in capsys.readouterr().err
    assert not (elsewhere.home / ".cache" / "edge-cifar").exists()
    assert elsewhere.left_behind() == []


@pytest.mark.slow
@pytest.mark.parametrize("elsewhere", ["bare"], indirect=True)
def test_install_makes_an_environment_of_its_own(
    elsewhere: Elsewhere, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(run.path), "--on", elsewhere.host, "--install", "--json", *QUICK]) == 0
    assert {row["status"] for row in json.loads(capsys.readouterr().out)["results"]} == {"ok"}
    assert (elsewhere.home / ".cache" / "edge-cifar" / "venv" / "bin" / "edge-cifar").exists()


def test_options_travel_and_a_refusal_there_is_told(
    elsewhere: Elsewhere, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(run.path), "--on", elsewhere.host, "--seconds", "-1"]) == 1
    told = capfd.readouterr().err
    assert "seconds" in told
    assert "measuring on board failed" in told
    assert not (run.path / "bench-board.json").exists()


def test_host_that_cannot_be_reached_is_told(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("no ssh")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    host = f"ssh://127.0.0.1:{port}"
    assert main(["bench", str(run.path), "--on", host]) == 1
    assert "ssh cannot reach" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--on", "-oProxyCommand=true"), 2, "is not a host name"),
        (("--on", "two words"), 2, "is not a host name"),
        (("--on", "pi", "--data", "cifar10"), 2, "--data"),
        (("--on", "pi", "--baseline", "x.json"), 2, "--baseline"),
        (("--install",), 2, "--install needs --on"),
        (("--on", "pi", "other", "and-another"), 2, "a single run or bundle"),
    ],
    ids=["option", "spaces", "data", "baseline", "install", "two"],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == status
    assert words in capsys.readouterr().err


def test_machine_without_ssh_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.shutil, "which", lambda name: None)
    with pytest.raises(remote.MeasurementError, match="ssh is not installed here"):
        remote.bench_on("pi", run)
