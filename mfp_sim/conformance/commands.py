"""The user's commands: those that print a challenge, and those that act for the CA's operator.

They run without a shell. Errors name only the program: its arguments may contain a secret. RFC 8894, 2.4, 7.3.
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
    """Run a command to its end and return what it printed; ``what`` names it in errors.

    Raises:
        UsageError: it cannot be run, takes too long, or prints something other than text.
    """
    command = f"the {what} command {words[0]}"
    variables = None if environment is None else {**os.environ, **environment}
    try:
        return subprocess.run(  # noqa: S603
            words, capture_output=True, text=True, check=False, timeout=seconds, env=variables
        )
    except OSError as error:
        raise UsageError(f"{command} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:  # its text contains the arguments
        raise UsageError(f"{command} did not end within {seconds:g} s") from None
    except UnicodeDecodeError:
        raise UsageError(f"{command} printed something other than text") from None
