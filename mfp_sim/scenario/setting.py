"""The setting of a scenario: printers, CA, clock and bounds, as frozen values. No YAML, no running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from mfp_sim.device.outside import Factory
from mock_scep_server.setup import CaSetup

__all__ = ["PrinterSetup", "Setting"]


@dataclass(frozen=True)
class PrinterSetup(Factory):
    """The ``printer:`` section: how the printer is delivered, and how it is set up.

    `profile` is a shipped model, or a file with `mfp-sim run --profile`; `settings` replace values of it. `place` is
    the place of its communication settings in the file, or of the section itself, to report a refused set-up.
    """

    profile: str = "canon-ir-adv-dx"
    url: str | None = None
    port: int = 80
    timeout: int | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True)
class Setting:
    """Everything except the steps of one runnable scenario: an instance of a file with ``parameters:``, or the file.

    `others` are the printers beside the first; they are also on from the start.
    `digest` is the digest, in hex, of everything in the file that affects the run.
    """

    name: str
    why: str
    file: str
    clock: datetime
    covers: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    seed: int = 1
    keys: Literal["pool", "generate"] = "pool"
    printer: PrinterSetup = PrinterSetup()
    others: tuple[PrinterSetup, ...] = ()
    ca: CaSetup = field(default_factory=CaSetup)
    virtual_seconds: float = 800 * 86400.0
    events: int = 100_000
    digest: str = ""
