"""A secret that a command is given: on the first line of a file, in an environment variable, or as it is.

The one reader for every option ``--NAME-file``, ``--NAME-env`` and ``--NAME`` of the commands and of the pytest plugin.
A source that is named and holds nothing is refused: without the secret something else would be tried than was meant.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from mfp_sim.shared.errors import UsageError

__all__ = ["command_words", "environment_secret", "read_secret", "secret_of"]


def secret_of(options: object, name: str) -> str | None:
    """The secret that ``--NAME-file``, ``--NAME-env`` or ``--NAME`` gives in parsed ``options``, or None.

    Raises:
        UsageError: see :func:`read_secret`.
    """
    file, variable, given = (getattr(options, f"{name}{ending}") for ending in ("_file", "_env", ""))
    return read_secret(name, file=file, variable=variable, given=given)


def read_secret(
    what: str, *, file: Path | None = None, variable: str | None = None, given: str | None = None
) -> str | None:
    """The secret, or None where no source is named; ``what`` names it in errors (``challenge``, ``state_passphrase``).

    Raises:
        UsageError: the file cannot be read, or the source is empty: the file's first line, the variable, or ``given``.
    """
    option, what = what.replace("_", "-"), what.replace("_", " ")
    if file is not None:
        try:
            first = file.read_text("utf-8-sig").partition("\n")[0]  # not splitlines, which knows other ends too
        except OSError as error:
            raise UsageError(f"cannot read the {what} file {file}: {error.strerror}") from None
        except UnicodeDecodeError:  # its text has an byte of the secret
            raise UsageError(f"cannot read the {what} file {file}: it is not UTF-8") from None
        if not first:
            raise UsageError(f"the {what} file {file} is empty", remedy=f"write the {what} on its first line")
        return first
    if variable is not None:
        return environment_secret(variable)
    if given == "":
        name = "challenge password" if what == "challenge" else what
        raise UsageError(f"the {name} is empty", remedy=f"leave out --{option} if there is none")
    return given


def environment_secret(variable: str) -> str:
    """The value of an environment variable.

    Raises:
        UsageError: it is not set, or empty.
    """
    found = os.environ.get(variable)
    if not found:
        state = "is not set" if found is None else "is empty"
        raise UsageError(f"the environment variable {variable} {state}", remedy="check its name, and export it")
    return found


def command_words(what: str, line: str) -> list[str]:
    """The words of a command that gives or checks the secret, split as a shell does; ``what`` names it in errors.

    Raises:
        UsageError: it is empty, or a quotation does not end; its arguments are not shown.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"the {what} command is not readable: {str(error).lower()}") from None
    if not words:
        raise UsageError(f"the {what} command is empty", remedy=f"leave out --{what}-command if there is none")
    return words
