"""The entry point of ``mfp-sim``: reads arguments, calls the verb, turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import codecs
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mfp_sim.cli.options import build_parser
from mfp_sim.shared.command_line import SuggestingParser, run_command
from mfp_sim.shared.errors import MfpSimError, UsageError
from mfp_sim.shared.visible import visible

__all__ = ["main"]

_VERDICTS = frozenset({"run", "check", "conform", "examine", "explore", "fleet", "load", "new", "proxy", "serve"})
"""The verbs whose result is a verdict, a file or a service, which their output only explains."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code (0-6, or 130 when interrupted)."""
    _say_everything()
    ours = arguments is None
    words = sys.argv[1:] if arguments is None else arguments
    return run_command("mfp-sim", lambda: _main(words, ours=ours), for_good=ours)


def _main(words: Sequence[str], *, ours: bool) -> tuple[int, bool]:
    """Read the words and run the verb; returns the exit code, and whether it is a verdict. `ours`: the process does
    nothing else.
    """
    parser = build_parser()
    if not words:
        parser.print_help(sys.stderr)
        return 2, False
    options, rest = parser.parse_known_args(words)
    _take(options, rest)
    return _carried_out(options, words, ours=ours), _is_verdict(options)


def _is_verdict(options: argparse.Namespace) -> bool:
    """Whether the exit code is the result of the command; otherwise its output is, such as a list."""
    return options.entry.name in _VERDICTS and not any(
        getattr(options, name, False) for name in ("json", "list", "list_faults")
    )


def _carried_out(options: argparse.Namespace, words: Sequence[str], *, ours: bool) -> int:
    """Run the verb; errors become messages and an exit code. `ours`: the process does nothing else."""
    try:
        _check_surroundings(words)
        verb = getattr(importlib.import_module(f"mfp_sim.cli.{options.entry.module}"), options.entry.function)
        if ours:
            gc.freeze()  # objects of modules live to the end: not scanned for garbage
        code: int = verb(options)
    except MfpSimError as error:
        _tell(error)
        return error.exit_code
    except Exception as error:
        if os.environ.get("MFP_SIM_DEBUG"):
            raise
        _tell(MfpSimError(f"internal error: {type(error).__name__}: {error}"))
        print("mfp-sim: please report this; MFP_SIM_DEBUG=1 shows the traceback", file=sys.stderr)
        return 4
    return code


def _check_surroundings(words: Sequence[str]) -> None:
    """Refuse what no verb can work with.

    Raises:
        UsageError: a word that is not text, or a working directory that has been deleted.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(word).decode("utf-8", "backslashreplace")
            raise UsageError(f"the argument '{shown}' is not UTF-8") from None
    try:
        Path.cwd()
    except OSError as error:
        text = f"cannot use the working directory: {error.strerror}"
        raise UsageError(text, remedy="change to a directory that exists") from None


def _take(options: argparse.Namespace, rest: Sequence[str]) -> None:
    """Take the words that argparse left: it ends a list of arguments at the first option (``run A --report DIR B``)."""
    # argparse has no public function that lists the arguments, and no intermixed ones for a parser with verbs
    parser: SuggestingParser = options.parser
    several = next(
        (
            action
            for action in options.parser._actions
            if action.nargs in {"*", "+"} and action.metavar and not action.option_strings
        ),
        None,
    )
    for word in rest:
        if several is None or word.startswith("-"):
            parser.refuse(word)
        getattr(options, several.dest).append((several.type or str)(word))


def _tell(error: MfpSimError) -> None:
    """Print an error on standard error; control characters from files and servers are made visible."""
    print(f"mfp-sim: {visible(str(error))}", file=sys.stderr)


def _say_everything() -> None:
    """A letter outside the terminal's encoding becomes ``\\u2026``, which JSON reads as that letter."""
    codecs.register_error("mfp-sim", _escaped)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="mfp-sim")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)), error.end
