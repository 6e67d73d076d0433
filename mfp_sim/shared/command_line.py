"""What both commands of the product have in common: the parser of options, and how a command ends.

The parser is argparse, with a suggestion for a mistyped word. A command that is interrupted, or whose output is lost,
ends with its own exit code.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NoReturn

from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.output import Output, standard_output
from mfp_sim.shared.stopping import ended_as_interrupted

__all__ = ["SuggestingParser", "run_command"]

_CHOICE = re.compile(r"argument (.+): invalid choice: '(.*)' \(choose from (.+)\)", re.DOTALL)
_OPTION = re.compile(r"-[A-Za-z]|--[^ =]+")
_INTERRUPTED: Final = 130


class SuggestingParser(argparse.ArgumentParser):
    """A parser that suggests the nearest word for a mistyped one."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit."""
        if found := _CHOICE.fullmatch(message):
            from mfp_sim.shared.documents import did_you_mean  # noqa: PLC0415 - --help starts without it

            words = [word.strip(" '") for word in found[3].split(",")]
            message += f"; {hint}" if (hint := did_you_mean(found[2], words)) else ""
        super().error(message)

    def refuse(self, word: str) -> NoReturn:
        """Print the usage and that the word is not an argument, with the option that may be meant, and exit."""
        from mfp_sim.shared.documents import did_you_mean  # noqa: PLC0415 - only a mistake needs it

        hint = did_you_mean(word.partition("=")[0], self._options) if word.startswith("-") else None
        self.error(f"unrecognized argument: {word}" + (f" ({hint})" if hint else ""))

    def parsed(self, words: Sequence[str]) -> argparse.Namespace:
        """The options that the words give.

        argparse takes the value of a mistyped option for the next argument, and would report that instead. A word that
        has the place of a value is left to it.
        """
        valued = {option for action in self._actions if action.nargs != 0 for option in action.option_strings}
        for before, word in pairwise(("", *words)):
            if word == "--":
                break
            name = None if before in valued else _OPTION.match(word)
            if name and not any(option.startswith(name[0]) for option in self._options):
                self.refuse(word)
        options, rest = self.parse_known_args(words)
        for word in rest:
            self.refuse(word)
        return options

    @property
    def _options(self) -> list[str]:
        # argparse has no public function that lists the options
        return [option for action in self._actions for option in action.option_strings]


def run_command(name: str, work: Callable[[], tuple[int, bool]], *, for_good: bool) -> int:
    """Run a command; returns its exit code, or 130 when interrupted.

    If the reader of standard output goes away, nothing changes. Output that is lost for another reason (a full disk) is
    reported, and the exit code is 4 if the output was the purpose of the command.

    Args:
        name: the command's name, for messages.
        work: returns the exit code, and whether it is a verdict, which the output only explains.
        for_good: the process ends afterwards.
    """
    with ended_as_interrupted(for_good=for_good) as signals, standard_output() as output:
        try:
            code = _with_all_output(name, work, output)
        except KeyboardInterrupt:
            signals.ignored = True
            print(f"{name}: interrupted", file=sys.stderr)
            code = _INTERRUPTED
        signals.ignored = True
    if for_good and code == _INTERRUPTED:
        # Threads whose end was interrupted may never end; nothing is left to do, so they are not awaited.
        os._exit(code)
    return code


def _with_all_output(name: str, work: Callable[[], tuple[int, bool]], output: Output) -> int:
    try:
        code, verdict = work()
    except SystemExit as leaving:  # argparse has printed help or the version, or an error
        if leaving.code:
            raise
        code, verdict = 0, False
    output.flush()
    if output.lost is None:
        return code
    print(f"{name}: cannot write all of standard output: {output.lost}", file=sys.stderr)
    return code or (0 if verdict else MfpSimError.exit_code)
