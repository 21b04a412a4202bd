"""``bench --on``: copy a bundle to another machine over SSH, measure it there, and copy the results back.

The system's ssh client makes the connection, so it takes care of keys, ``~/.ssh/config``, known hosts and passwords.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import edge_cifar
from edge_cifar.bench import rows
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.errors import MeasurementError, UsageError
from edge_cifar.processes import programs
from edge_cifar.processes.launch import worker_command
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps.bundles import run_of
from edge_cifar.steps.targets import Target, open_bundle
from edge_cifar.storage import exclusion, scratch, strict_json

# Where --install puts it there; nothing else of that machine is touched.
_HOME = '"${XDG_CACHE_HOME:-$HOME/.cache}/edge-cifar/venv"'
_FIND = f"if [ -x {_HOME}/bin/edge-cifar ]; then echo {_HOME}/bin/edge-cifar; else command -v edge-cifar; fi"
_SCRATCH = re.compile(r"/[\w./+-]*edge-cifar\.\w+")
_SSH_FAILED = 255


def bench_on(
    host: str,
    target: Target | None = None,
    *,
    options: Sequence[str] = (),
    install: bool = False,
    output: Path | None = None,
    progress: Progress = SILENT,
) -> BenchReport:
    """Measure a bundle's artifacts on another machine.

    Args:
        host: ``user@host``, or a name in ``~/.ssh/config``.
        target: a bundle or a run; None means the newest run under ``./runs``.
        options: options of ``edge-cifar bench`` for the other machine's command line.
        install: first install edge-cifar there, in its own virtual environment, unless it is there already.
        output: the file to write. Default: ``bench-HOST.json`` in the run folder, if the bundle is in one.
        progress: receives progress messages.

    Returns:
        The result, with this machine's paths.

    Raises:
        UsageError: the host is not a host name.
        RunError, BundleError: as for :func:`edge_cifar.steps.bench.bench`.
        MeasurementError: the other machine cannot be reached, has no edge-cifar, or cannot measure.
    """
    if not host or host.startswith("-") or any(character.isspace() for character in host):
        raise UsageError(f"{host!r} is not a host name; use --on USER@HOST")
    bundle = open_bundle(target)
    before = bundle.contents()
    with exclusion.reading([bundle.path], "bench"):
        return _bench_on(host, bundle, before, options, install=install, output=output, progress=progress)


def _bench_on(
    host: str,
    bundle: Bundle,
    before: Mapping[str, str | None],
    options: Sequence[str],
    *,
    install: bool,
    output: Path | None,
    progress: Progress,
) -> BenchReport:
    with _connected(host) as there, there.scratch() as folder:
        if install:
            there.install(folder, progress)
        program = there.program()
        progress.say(f"copying {len(bundle.artifacts)} artifacts to {host}")
        there.unpack(_packed(bundle), folder)
        progress.say(f"measuring on {host}")
        told = there.run(f"{program} bench {shlex.join([folder, '--json', *options])}", may_fail=True)
    there_measured = _parsed(told, host)
    local = {artifact.path.name: rows.shown(artifact.path) for artifact in bundle.artifacts}
    results = [replace(row, path=local.get(row.path.name, row.path)) for row in there_measured.results]
    report = replace(there_measured, results=results)
    home = output or _beside_run(bundle, host)
    if output is None:
        bundle.demand_unchanged(before)
    if home is not None:
        report.write(home)
        progress.say(f"wrote {home}")
    return report


def wheel() -> tuple[str, bytes] | None:
    """Name and bytes of the wheel of the source tree that this runs from; None for an installed package.

    Raises:
        MeasurementError: it cannot be built.
    """
    source = Path(edge_cifar.__file__).resolve().parent.parent
    if not (source / "setup.cfg").is_file():
        return None
    with scratch.folder("wheel") as folder:
        # From a copy: setuptools would leave its scratch in the source tree.
        copy = folder / "source"
        shutil.copytree(source / "edge_cifar", copy / "edge_cifar", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(source / name, copy)
        pip = [*worker_command("pip"), "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(copy)]
        done = programs.run(pip)
        if done.status:
            raise MeasurementError(f"the wheel to install there could not be built: {done.errors.strip()[-300:]}")
        (built,) = folder.glob("*.whl")
        return built.name, built.read_bytes()


class _Machine:
    """Another machine, through one connection of the system's ssh."""

    def __init__(self, host: str, command: Sequence[str]) -> None:
        self._host = host
        self._command = command

    def run(self, script: str, *, content: bytes = b"", may_fail: bool = False) -> str:
        """Run a shell script there; what it writes to standard error is shown here.

        Returns:
            its standard output.

        Raises:
            MeasurementError: the connection failed, or the script did.
        """
        # The login shell may be any; this script needs sh.
        command = [*self._command, self._host, f"exec sh -c {shlex.quote(script)}"]
        done = programs.run(command, content=content, show_errors=True)
        if done.status == _SSH_FAILED:
            raise MeasurementError(f"ssh cannot reach {self._host}; try: ssh {shlex.quote(self._host)} true")
        if done.status and not may_fail:
            raise MeasurementError(f"{self._host} answered with status {done.status} to: {script}")
        return done.output

    @contextlib.contextmanager
    def scratch(self) -> Iterator[str]:
        """A folder there that is removed afterwards."""
        folder = self.run('mktemp -d "${TMPDIR:-/tmp}/edge-cifar.XXXXXXXX"').strip()
        # It is removed with its contents, so make sure that it is the folder we asked for.
        if not _SCRATCH.fullmatch(folder):
            raise MeasurementError(f"mktemp on {self._host} printed {folder[:100]!r}, which is not a temporary folder")
        try:
            yield folder
        finally:
            self.run(f"rm -rf {shlex.quote(folder)}", may_fail=True)

    def unpack(self, archive: bytes, folder: str) -> None:
        """Put the files of a tar archive into a folder there."""
        self.run(f"tar -x -f - -C {shlex.quote(folder)}", content=archive)

    def program(self) -> str:
        """Where edge-cifar is there, quoted for its shell.

        Raises:
            MeasurementError: nowhere.
        """
        found = self.run(_FIND, may_fail=True).strip()
        if not found:
            raise MeasurementError(
                f'{self._host} has no edge-cifar; add --install, or run there: pip install "edge-cifar[device]"'
            )
        return shlex.quote(found)

    def install(self, folder: str, progress: Progress) -> None:
        """Install this version there, with the device runtimes, unless it is installed already."""
        version = metadata.version("edge-cifar")
        progress.say(f"installing edge-cifar {version} on {self._host}")
        built = wheel()
        what = f"edge-cifar[device]=={version}"
        if built is not None:
            name, content = built
            self.unpack(_archive({name: content}), folder)
            what = f"{folder}/{name}[device]"
        self.run(
            f"python3 -m venv {_HOME} && {_HOME}/bin/python -m pip install --quiet --disable-pip-version-check "
            f"{shlex.quote(what)} 1>&2"
        )


@contextlib.contextmanager
def _connected(host: str) -> Iterator[_Machine]:
    """One connection for all commands, so that a password or token is asked for only once."""
    ssh = shutil.which("ssh")
    if ssh is None:
        raise MeasurementError("ssh is not installed here; bench --on needs it")
    # A socket's path is limited to about a hundred characters, and the user's scratch folder may be deep.
    with scratch.folder("ssh", Path("/tmp") if Path("/tmp").is_dir() else None) as folder:
        control = ["-o", f"ControlPath={folder}/%C"]
        try:
            yield _Machine(host, [ssh, *control, "-o", "ControlMaster=auto", "-o", "ControlPersist=60", "--"])
        finally:
            programs.run([ssh, *control, "-O", "exit", "--", host])


def _packed(bundle: Bundle) -> bytes:
    """The bundle's manifest, images and artifacts as a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for artifact in bundle.artifacts:
            artifact.check()
            archive.add(artifact.path, artifact.path.name)
        for path in (bundle.path / MANIFEST, bundle.reference_path):
            if path.exists():
                archive.add(path, path.name)
    return stream.getvalue()


def _archive(contents: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _parsed(text: str, host: str) -> BenchReport:
    try:
        document = strict_json.parse(text)
    except ValueError as error:
        raise MeasurementError(f"measuring on {host} failed; see its output above") from error
    return BenchReport.from_json(document, f"the output of {host}")


def _beside_run(bundle: Bundle, host: str) -> Path | None:
    run = run_of(bundle)
    name = re.sub(r"[^\w.-]", "-", host.rpartition("@")[2])
    return None if run is None else run.path / f"bench-{name}.json"
