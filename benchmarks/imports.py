"""What ``mfp-sim --help`` imports: nothing heavy, so that a mistyped command answers at once."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["HEAVY", "imported_by_help"]

HEAVY = ("cryptography", "flask", "pydantic", "freezegun", "rich")

_PROGRAM = """\
import contextlib, io, sys
from mfp_sim.cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
    main(["--help"])
assert "run" in shown.getvalue(), "no help was shown"
print(",".join(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:]))))
"""


def imported_by_help(heavy: tuple[str, ...] = HEAVY) -> tuple[str, ...]:
    """Which of ``heavy`` a fresh interpreter has imported after ``mfp-sim --help``."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM, *heavy], capture_output=True, text=True, check=True)
    return tuple(name for name in done.stdout.strip().split(",") if name)
