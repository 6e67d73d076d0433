"""The state machine of printer and mock finds nothing: 200 examples of 50 steps, the same ones each time.

Ten times as many: ``MFP_SIM_MACHINE_EXAMPLES=2000 pytest -n auto tests/properties/test_printer_machine.py``; another
course of all of them: ``MFP_SIM_MACHINE_SEED=1``.
"""

from __future__ import annotations

import os

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from printer_machine import PrinterMachine

PARTS = 8
EXAMPLES = int(os.environ.get("MFP_SIM_MACHINE_EXAMPLES", "200"))
SEED = int(os.environ.get("MFP_SIM_MACHINE_SEED", "0"))


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens(part: int) -> None:
    class Machine(PrinterMachine):
        pass

    hypothesis.seed(1000 * SEED + part)(Machine)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=-(-EXAMPLES // PARTS),
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
