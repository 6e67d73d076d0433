"""The entry of ``mfp-sim``: reads the arguments, calls the verb, turns errors into words and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from mfp_sim.cli.options import build_parser
from mfp_sim.errors import MfpSimError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code (0-5, or 130 when interrupted)."""
    options = build_parser().parse_args(arguments)
    try:
        verb = getattr(importlib.import_module(f"mfp_sim.cli.{options.entry.module}"), options.entry.function)
        code: int = verb(options)
        sys.stdout.flush()
    except MfpSimError as error:
        print(f"mfp-sim: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mfp-sim: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough; Python must not complain when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("MFP_SIM_DEBUG"):
            raise
        print(f"mfp-sim: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        print("mfp-sim: set MFP_SIM_DEBUG=1 to see where, and please report it", file=sys.stderr)
        return 4
    return code
