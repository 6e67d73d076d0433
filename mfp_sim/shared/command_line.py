"""The parser of command lines: argparse, with a suggestion for a mistyped word. For both commands of the product."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

__all__ = ["SuggestingParser"]

_CHOICE = re.compile(r"argument (.+): invalid choice: '(.*)' \(choose from (.+)\)", re.DOTALL)


class SuggestingParser(argparse.ArgumentParser):
    """A parser that suggests the nearest word for a mistyped one."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit."""
        if found := _CHOICE.fullmatch(message):
            from mfp_sim.shared.documents import did_you_mean  # noqa: PLC0415 - --help starts without it

            words = [word.strip(" '") for word in found[3].split(",")]
            message += f"; {hint}" if (hint := did_you_mean(found[2], words)) else ""
        super().error(message)
