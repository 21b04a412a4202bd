"""Rules of the whole code base, checked by reading its files; a failing rule lists every place that breaks it."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support import ROOT

import edge_cifar
import edge_cifar.backbones
from edge_cifar.cli.group import COMMANDS, cli

PACKAGE = ROOT / "edge_cifar"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
# The packages whose modules are plugins: found by file name, ignorant of one another.
PLUGIN_PACKAGES = ("backbones", "cli/commands", "data/sets", "formats")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for line in done.stdout.splitlines() if (path := ROOT / line).is_file() and not path.is_symlink()]


def test_imports_keep_their_direction() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", PLUGIN_PACKAGES)
def test_plugins_do_not_know_each_other(package: str) -> None:
    folder = PACKAGE / package
    dotted = f"edge_cifar.{package.replace('/', '.')}"
    siblings = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    for name in sorted(siblings):
        imported = set(_imports(folder / f"{name}.py"))
        assert not {f"{dotted}.{other}" for other in siblings - {name}} & imported, name


def test_only_processes_starts_processes() -> None:
    launchers = re.compile(r"\b(subprocess|multiprocessing|os\.(popen|system|fork\w*|spawn\w*|exec\w*))\b")
    found = [
        relative(path)
        for path in MODULES
        if launchers.search(path.read_text(encoding="utf-8")) and path.parent != PACKAGE / "processes"
    ]
    assert found == []


def test_no_import_crosses_a_package_onto_a_private_name() -> None:
    """A test may look into the package that its own folder mirrors."""
    roots = (PACKAGE, ROOT / "benchmarks", ROOT / "tests")
    found = [
        f"{relative(path)}: {name}"
        for root in roots
        for path in sorted(root.rglob("*.py"))
        for name in sorted(set(_imports(path)))
        if (owner := _owner_of_private(name)) and not path.parent.is_relative_to(owner)
        if not (root.name == "tests" and path.parent == root / owner.relative_to(PACKAGE))
    ]
    assert found == []


def _owner_of_private(name: str) -> Path | None:
    """The folder to which a dotted name of ours is private, by an underscore in it; None for a public one."""
    parts = name.split(".")
    private = (at for at, part in enumerate(parts) if part.startswith("_") and not part.startswith("__"))
    at = next(private, 0) if parts[0] == "edge_cifar" else 0
    # What is private to a module is private to its folder.
    owner = PACKAGE.joinpath(*parts[1:at])
    return None if at == 0 else owner if owner.is_dir() else owner.parent


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_is_left_to_do() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        f"{relative(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if unfinished.search(line)
    ]
    assert found == []


def test_no_exception_is_swallowed() -> None:
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _swallows_everything(node, node.type))
    ]
    assert found == []


def _swallows_everything(handler: ast.ExceptHandler, caught: ast.expr) -> bool:
    silent = all(isinstance(statement, ast.Pass) for statement in handler.body)
    return silent and ast.unparse(caught) in ("Exception", "BaseException")


def test_modules_and_their_public_functions_and_classes_are_documented() -> None:
    found = []
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body and ast.get_docstring(tree) is None:
            found.append(relative(path))
        found += [
            f"{relative(path)}: {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert found == []


def test_no_machine_and_no_registry_is_named() -> None:
    # Written in halves, so that this file does not name them either.
    words = ["/wo" + "rk/", "/home" + "/", "py" + "pi.org", "python" + "hosted", "npm" + "js.org", "deb." + "debian"]
    pattern = re.compile("|".join(map(re.escape, words)))
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{relative(path)}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    assert found == []


def test_converters_at_the_top_is_a_link_to_the_code() -> None:
    link = ROOT / "converters"
    if not link.is_symlink():
        pytest.skip("this checkout has no symbolic links")
    assert link.readlink() == Path("edge_cifar/converters")


# ---- installation


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_extras_are_these_and_all_is_every_one_but_the_gpus() -> None:
    extras = _setup()["options.extras_require"]
    assert set(extras) == {"train", "convert", "device", "report", "serve", "metal", "cuda", "dev", "all"}
    (everything,) = extras["all"].split()
    assert set(re.fullmatch(r"edge-cifar\[(.*)\]", everything).group(1).split(",")) == set(extras) - {  # type: ignore[union-attr]
        "all",
        "metal",
        "cuda",
    }


def test_device_extra_brings_no_tensorflow() -> None:
    extras = _setup()["options.extras_require"]
    for name in ("device", "serve", "report"):
        assert not re.search(r"tensorflow|keras|edge-cifar", extras[name])


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-metal.txt"])
def test_constraints_are_exact_versions(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names), key=str.lower)
    for line in lines:
        assert re.fullmatch(r'[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*( ; [a-z_]+ [=!]= "[a-z0-9_]+")?', line), line


def test_every_requirement_is_pinned() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    }
    setup = _setup()
    extras = setup["options.extras_require"]
    wanted = setup["options"]["install_requires"] + "".join(
        extras[name] for name in extras if name not in ("metal", "all")
    )
    names = {re.match(r"[A-Za-z0-9._-]+", line).group().lower() for line in wanted.splitlines() if line.strip()}  # type: ignore[union-attr]
    assert names - {"edge-cifar"} <= pinned


# ---- documents


def _documented_calls() -> set[str]:
    """What the documents' code blocks type after ``edge-cifar``."""
    calls = set()
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            calls |= set(re.findall(r"\bedge-cifar ([a-z][^#\n]*)", block.replace("\\\n", " ")))
    return calls


def test_documented_commands_and_their_options_exist() -> None:
    calls = sorted(_documented_calls())
    assert calls, "no document calls edge-cifar"
    assert [call for call in calls if not _exists(call)] == []


def _exists(call: str) -> bool:
    name, *words = shlex.split(call)
    command = cli.get_command(click.Context(cli), name)
    if isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words[0])
    if command is None:
        return False
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return {word for word in words if word.startswith("-")} <= known | {"--help", "--debug"}


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in COMMANDS.names():
        assert f"`{name}" in readme, name


def test_readme_names_every_function_of_the_api() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in set(edge_cifar.__all__) - {"__version__"}:
        assert f"ec.{name}(" in readme, name


def test_links_between_documents_lead_somewhere() -> None:
    found = [
        f"{relative(path)}: {target}"
        for path in DOCUMENTS
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert found == []


def test_documented_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in DOCUMENTS:
        for target in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)$", path.read_text("utf-8"), re.MULTILINE):
            assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target


def test_changelog_tells_of_this_version() -> None:
    assert f"## {edge_cifar.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_layers_in_the_architecture_are_those_that_are_checked() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    layers = _setup()["importlinter:contract:layers"]["layers"].strip()
    assert f"```\n{layers}\n```" in text


def test_every_package_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {name for name in packages if f"| `{name}` |" not in text} == set()


def test_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
