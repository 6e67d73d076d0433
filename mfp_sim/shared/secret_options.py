"""Reads a secret for a command: from the first line of a file, an environment variable, or the option itself.

All options ``--NAME-file``, ``--NAME-env`` and ``--NAME`` of the commands and of the pytest plugin are read here. An
empty source is refused: without the secret, the command would do something other than the user meant.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection
from pathlib import Path

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import text_of

__all__ = ["command_words", "environment_secret", "quoted_command", "read_secret", "secret_of", "secret_words"]

_OPTION = re.compile("-[A-Za-z]|--[a-z][a-z-]*")
_MOST = 1024 * 1024
"""The largest file with a secret, in bytes."""


def secret_of(options: object, name: str) -> str | None:
    """The secret that ``--NAME-file``, ``--NAME-env`` or ``--NAME`` gives in parsed ``options``, or None.

    Raises:
        UsageError: see `read_secret`.
    """
    file, variable, given = (getattr(options, f"{name}{ending}") for ending in ("_file", "_env", ""))
    return read_secret(name, file=file, variable=variable, given=given)


def secret_words(options: object, name: str) -> tuple[str, ...]:
    """The option that gave the secret, to repeat the command with. For a typed secret it is an environment variable.

    A placeholder such as ``...`` would be sent as the secret; a variable that is not set is an error.
    """
    file, variable, given = (getattr(options, f"{name}{ending}") for ending in ("_file", "_env", ""))
    option = f"--{name.replace('_', '-')}"
    pairs = ((f"{option}-file", file), (f"{option}-env", variable), (f"{option}-env", given and name.upper()))
    return tuple(word for pair in pairs if pair[1] for word in (pair[0], str(pair[1])))


def quoted_command(option: str, line: str | None, known: Collection[str] = ()) -> tuple[str, ...]:
    """The option that gave a command, quoted for a shell, to repeat the command line with; empty without a command.

    An argument may be a secret unless it is a file, an option without a value, or one of ``known``. The shell variable
    that then stands for the command is an error until it is set, as for `secret_words`.
    """
    if line is None:
        return ()
    program, *rest = shlex.split(line)
    if all(word in known or _OPTION.fullmatch(word) or os.path.exists(word) for word in rest):  # noqa: PTH110 - any text
        return option, shlex.quote(shlex.join([program, *rest]))
    return option, f'"${option.removeprefix("--").replace("-", "_").upper()}"'


def read_secret(
    what: str, *, file: Path | None = None, variable: str | None = None, given: str | None = None
) -> str | None:
    """The secret, or None without a source; ``what`` is its name in errors (``challenge``, ``state_passphrase``).

    Raises:
        UsageError: the file cannot be read, or its first line, the variable or ``given`` is empty.
    """
    option, what = what.replace("_", "-"), what.replace("_", " ")
    if file is not None:
        remedy = f"write a file with the {_in_words(what)} on its first line"
        text = text_of(file, _MOST, what=f"the {what} file {file}", remedy=remedy)
        first = text.partition("\n")[0]  # not splitlines, which has other line ends too
        if not first:
            raise UsageError(
                f"the {what} file {file} is empty", remedy=f"write the {_in_words(what)} on its first line"
            )
        return first
    if variable is not None:
        return environment_secret(variable)
    if given == "":
        raise UsageError(f"the {_in_words(what)} is empty", remedy=f"leave out --{option} if there is none")
    return given


def _in_words(what: str) -> str:
    return "challenge password" if what == "challenge" else what


def environment_secret(variable: str) -> str:
    """The value of an environment variable.

    Raises:
        UsageError: the variable is not set, or empty.
    """
    found = os.environ.get(variable)
    if not found:
        state = "is not set" if found is None else "is empty"
        raise UsageError(f"the environment variable {variable} {state}", remedy="check its name, and export it")
    return found


def command_words(what: str, line: str) -> list[str]:
    """The words of a command that prints or checks the secret, split as by a shell; ``what`` is its name in errors.

    Raises:
        UsageError: the command is empty, or a quote is not closed; the message does not show its arguments.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"the {what} command is not readable: {str(error).lower()}") from None
    if not words:
        raise UsageError(f"the {what} command is empty", remedy=f"leave out --{what}-command if there is none")
    return words
