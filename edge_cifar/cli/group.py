"""The group of all commands: finds them by file name and turns their errors into exit statuses."""

from __future__ import annotations

import sys
import traceback

import click

from edge_cifar.cli import log
from edge_cifar.cli.common_options import common_options, with_common_options
from edge_cifar.cli.output import echo
from edge_cifar.command_line import command_line
from edge_cifar.errors import EdgeCifarError, UsageError, notes, unknown
from edge_cifar.plugins import Registry
from edge_cifar.processes import allocator

# They train or convert in the command's own process.
_HEAVY = ("demo", "export", "train")
# Who interrupts them may want to start them again.
_TAKE_LONG = (*_HEAVY, "bench", "data", "verify")

# In the order of the work; those named nowhere come last.
_SECTIONS = {
    "Start": ("demo", "doctor"),
    "Train": ("models", "data", "train", "runs"),
    "Export and verify": ("export", "verify"),
    "Measure and report": ("bench", "report"),
    "Use": ("predict", "serve"),
}
_REST = "Set up"

COMMANDS = Registry("edge_cifar.cli.commands", "command", "command", click.Command)


class LazyGroup(click.Group):
    """A group whose commands are the modules of :mod:`edge_cifar.cli.commands`, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in self.sections().values() for name in names]

    def sections(self) -> dict[str, list[str]]:
        """The commands below the titles of their sections."""
        known = COMMANDS.names()
        named = {title: [name for name in names if name in known] for title, names in _SECTIONS.items()}
        return {**named, _REST: [name for name in known if not any(name in names for names in _SECTIONS.values())]}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS.names()))
        limit = formatter.width - 6 - width
        for title, names in self.sections().items():
            if names:
                with formatter.section(title):
                    formatter.write_dl(
                        [(name.ljust(width), COMMANDS.get(name).get_short_help_str(limit)) for name in names]
                    )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return with_common_options(COMMANDS.get(cmd_name), cmd_name) if cmd_name in COMMANDS.names() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise unknown("command", name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=common_options(),
)
@click.version_option(package_name="edge-cifar")
@click.option("--debug", is_flag=True, help="Show the traceback of errors.")
def cli(debug: bool) -> None:
    """Train CIFAR-10 classifiers, convert them to TFLite, ONNX and Core ML, and verify and benchmark the results.

    \b
    Full pipeline on built-in data:    edge-cifar demo
    With the real data:                edge-cifar train mobilenetv2
                                       edge-cifar export
                                       edge-cifar verify
                                       edge-cifar bench
                                       edge-cifar report

    The options below may stand before a command's name or behind it.
    """
    from edge_cifar.storage import scratch

    scratch.sweep()


def run(arguments: list[str], *, own_process: bool) -> int:
    """Run a command line.

    Args:
        arguments: without the program's name.
        own_process: as for :func:`edge_cifar.cli.main.main`.

    Returns:
        The exit status, see :func:`edge_cifar.cli.main.main`.

    Raises:
        KeyboardInterrupt: the command was interrupted.
    """
    debug = "--debug" in arguments
    # --debug is accepted before and after the command's name.
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        status = _run(arguments, own_process, debug)
        log.note(f"exit status {status}")
        return status
    except BaseException as error:
        log.note_error(error)
        raise
    finally:
        log.close()


def _run(arguments: list[str], own_process: bool, debug: bool) -> int:
    try:
        if own_process and _is_heavy(arguments):
            allocator.restart()
        cli.main(arguments, prog_name="edge-cifar", standalone_mode=False)
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        error.show()
        return UsageError.exit_status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except EdgeCifarError as error:
        return _failed(error, str(error), error.exit_status, debug)
    except BrokenPipeError:
        # The reader of our output went away (`edge-cifar models | head`): that is no error of ours.
        sys.stderr.close()
        return 0
    except OSError as error:
        # What nobody foresaw of a file, such as a name too long for its system.
        place = f"{error.filename}: " if error.filename else ""
        sentence = f"{place}{error.strerror or error}; --debug shows where"
        return _failed(error, sentence, EdgeCifarError.exit_status, debug)
    except click.Abort as abort:
        # What click makes of Ctrl-C, and of a question that is answered with no.
        stopped = abort.__cause__
        if not isinstance(stopped, KeyboardInterrupt):
            raise KeyboardInterrupt from abort
        if not notes(stopped) and _named(arguments) in _TAKE_LONG:
            stopped.add_note(f"start again with: {command_line(*arguments)}")
        raise stopped from None


def _failed(error: Exception, sentence: str, status: int, debug: bool) -> int:
    """Say what is wrong, and which command goes on."""
    log.note_error(error)
    if debug:
        echo(traceback.format_exc(), err=True, logged=False)
    echo(f"edge-cifar: {sentence}", err=True, logged=False)
    for note in notes(error):
        echo(note, err=True)
    return status


def _is_heavy(arguments: list[str]) -> bool:
    return _named(arguments) in _HEAVY and not {"-h", "--help"} & set(arguments)


def _named(arguments: list[str]) -> str | None:
    """The command among the arguments."""
    return next((argument for argument in arguments if argument in COMMANDS.names()), None)
