"""Commands of the user that the checks need: those that print a challenge, and those that act for the CA's operator.

Run without a shell. Errors name the program alone: its arguments may hold a secret. RFC 8894, 2.4, 7.3.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from subprocess import CompletedProcess

from mfp_sim.shared.errors import UsageError

__all__ = ["carried_out"]


def carried_out(
    what: str, words: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run a command to its end and give what it printed; ``what`` names it in errors.

    Raises:
        UsageError: it cannot be run, takes too long, or prints what is not text.
    """
    told = f"the {what} command {words[0]}"
    told_it = None if environment is None else {**os.environ, **environment}
    try:
        return subprocess.run(  # noqa: S603
            words, capture_output=True, text=True, check=False, timeout=seconds, env=told_it
        )
    except OSError as error:
        raise UsageError(f"{told} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:  # its text has the arguments
        raise UsageError(f"{told} did not answer within {seconds:g} s") from None
    except UnicodeDecodeError:
        raise UsageError(f"{told} printed what is not text") from None
