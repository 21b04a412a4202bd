"""``completion install``: have a shell complete the command line from its next start on."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from edge_cifar.errors import UsageError, unknown
from edge_cifar.storage import files

SHELLS = ("bash", "zsh", "fish")

_STARTUP = {
    "bash": "\n# edge-cifar: shell completion\n[ -f {script} ] && . {script}\n",
    # Completion has to be loaded first, which not every start-up file does.
    "zsh": "\n# edge-cifar: shell completion\n"
    "(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}\n"
    "[ -f {script} ] && . {script}\n",
}


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What was written.

    Attributes:
        script: the file with the completion.
        startup: the shell's start-up file that reads it; None where the shell finds it by itself.
        added: whether it had to be added there.
    """

    script: Path
    startup: Path | None
    added: bool


def users_shell() -> str:
    """The shell that the user works with.

    Raises:
        UsageError: it is another one than those that are known here.
    """
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(f"completion is available for {', '.join(SHELLS)}, not for {name or 'this shell'}; name one")
    return name


def install(shell: str, script: str) -> Installed:
    """Write the script, and a line that reads it to the shell's start-up file, unless it is there already.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``.
        script: what the shell is to run.

    Raises:
        UsageError: the shell is unknown.
        EdgeCifarError: a file cannot be written.
    """
    if shell not in SHELLS:
        raise unknown("shell", shell, SHELLS)
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        place = config / "fish" / "completions" / "edge-cifar.fish"
        files.write_text(place, script)
        return Installed(script=place, startup=None, added=False)
    place = platformdirs.user_data_path("edge-cifar") / f"completion.{shell}"
    files.write_text(place, script)
    home = Path.home() if shell == "bash" else Path(os.environ.get("ZDOTDIR") or Path.home())
    startup = home / f".{shell}rc"
    try:
        # Added to it, not written anew: it may be a link into a folder of settings.
        with startup.open("a+", encoding="utf-8") as opened:
            opened.seek(0)
            added = str(place) not in opened.read()
            if added:
                opened.write(_STARTUP[shell].format(script=shlex.quote(str(place))))
    except (OSError, UnicodeError) as error:
        reason = OSError(f"not UTF-8 ({error})") if isinstance(error, UnicodeError) else error
        raise files.cannot_write(startup, reason) from error
    return Installed(script=place, startup=startup, added=added)
