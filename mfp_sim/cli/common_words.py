"""Warns of a password that is also a word of reports. Masking it makes reports unreadable, and shows the word, too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from mfp_sim.shared.catalogue.registry import contains

__all__ = ["warn_of_common"]


def warn_of_common(secrets: Iterable[str | None], options: argparse.Namespace) -> None:
    """Warn on standard error if the catalogue or the help of the verb contains one of the passwords."""
    if any(secret and (contains(secret) or secret in options.parser.format_help()) for secret in secrets):
        print(
            "mfp-sim: warning: a password is also a word of reports and of options, which mask it wherever it occurs "
            "and are hard to read (for this test, give the server a longer password)",
            file=sys.stderr,
        )
