"""Steps on the printer itself: functions, clock, power failures, bundles, another printer.

One class per step, in the table of `mfp_sim.scenario.steps`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from mfp_sim.device.bundle import CATEGORIES, CATEGORY
from mfp_sim.device.power import NAMES as POWER_POINTS
from mfp_sim.device.printer import SCREENS
from mfp_sim.device.printer_profile import ALL_USES, PROFILES
from mfp_sim.scenario.premises import Missing
from mfp_sim.scenario.shapes import moment
from mfp_sim.scenario.world import World
from mfp_sim.shared.documents import Node, Problems, did_you_mean
from mfp_sim.shared.documents.kinds import Definitions, Duration, Leaf, LocalTime, Schema, Within, Word, Words
from mfp_sim.shared.documents.records import Doc, agree, beside, document, some
from mfp_sim.shared.errors import Refused

__all__ = [
    "AnotherPrinter",
    "DeleteKey",
    "ExportBundle",
    "Function",
    "ImportBundle",
    "KeyGeneration",
    "OpenScreen",
    "PowerCut",
    "PrinterClock",
]


@document(whole=True)
@dataclass(frozen=True)
class OpenScreen:
    """Open a screen of the printer; refused unless the role may see it."""

    screen: Annotated[str, Words(lambda: SCREENS)]

    def act(self, world: World, role: str) -> None:
        world.printer.open_screen(self.screen, role=role)

    def text(self) -> str:
        return f"[{self.screen}] is opened"


@document("", some("needs the key 'nth'", "nth"), shorthand="name")
@dataclass(frozen=True)
class DeleteKey:
    """The newest key with a name, or the ``nth`` oldest."""

    name: str
    nth: Annotated[int | None, Within(1)] = None

    def act(self, world: World, role: str) -> None:
        ids = [entry.id for entry in world.printer.key_list() if entry.name == self.name]
        if self.nth is not None and self.nth > len(ids):
            raise Refused("no-such-key", f"there are {len(ids)} keys {self.name!r}, not {self.nth}")
        world.printer.delete_key(self.name, key_id=None if self.nth is None else ids[self.nth - 1], role=role)

    def text(self) -> str:
        which = "" if self.nth is None else f" ({self.nth})"
        return f"[Key and Certificate List]: delete {self.name}{which}"


@dataclass(frozen=True)
class Function:
    """Switch a use of certificates (IPSec, TLS, ...) on or off, as in the menu."""

    use: Annotated[str, Words(lambda: ALL_USES[1:])]
    on: bool

    def act(self, world: World, role: str) -> None:
        world.printer.set_function(self.use, self.on, role=role)

    def text(self) -> str:
        return f"{self.use} is switched {'on' if self.on else 'off'}"


@document(whole=True)
@dataclass(frozen=True)
class KeyGeneration:
    """From now on the printer cannot generate a key, or can again; its premise is a later key generation."""

    state: Literal["fails", "works"]

    def act(self, world: World, role: str) -> Missing:  # noqa: ARG002
        keys = world.key_sources[world.printer.serial]
        keys.fails = self.state == "fails"
        before = keys.asked
        return lambda: None if keys.asked > before else "no later key generation was tried"

    def text(self) -> str:
        return f"the printer's generation of keys {self.state}"


@document(whole=True)
@dataclass(frozen=True)
class PrinterClock:
    """Set the printer's clock to a local time, or correct it with None; the time of the run does not change."""

    local: Annotated[datetime | None, LocalTime(offset=True), Word("right", None)]

    def act(self, world: World, role: str) -> Missing:  # noqa: ARG002 - every step has a role
        before = world.printer.clock.now()
        world.printer.set_clock(None if self.local is None else moment(self.local, world.zone))
        moved = world.printer.clock.now() != before
        return lambda: None if moved else "the clock showed that time already"

    def text(self) -> str:
        return "the printer's clock is corrected" if self.local is None else f"the printer's clock shows {self.local}"


class _Point(Leaf):
    """A point of the printer at which the power can fail."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        name = problems.text(node, what)
        if name is None or name in POWER_POINTS:
            return name
        hint = did_you_mean(name, POWER_POINTS) or "mfp-sim power-points lists those of a scenario"
        problems.add(node, f"there is no power point {name!r}", hint)
        return None

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind is asked the same
        return {"enum": list(POWER_POINTS)}


@document("", beside("nth", "at", "nth counts the passes of a power point: name the point with at"))
@dataclass(frozen=True)
class PowerCut:
    """Cut the power now, or at the `nth` pass of a point; it returns after `off` seconds, or with `power_on`."""

    at: Annotated[str | None, _Point(), Doc("a power point; without it, now")] = None
    nth: Annotated[int, Within(1), Doc("at which pass of the point")] = 1
    off: Annotated[float | None, Duration(), Doc("how long the power is off; without it, until power_on")] = None

    def act(self, world: World, role: str) -> Missing | None:  # noqa: ARG002
        printer = world.printer
        if self.at is None:
            was_on = printer.powered
            printer.power_cut(self.off)
            return None if was_on else lambda: "the printer was off already"
        printer.points.off_seconds = self.off
        before, armed = len(printer.points.passed), printer.points.arm(self.at, self.nth)

        def missing() -> str | None:
            count = printer.points.passed[before:].count(armed.name or "")
            return None if armed.came else f"{self.at} was passed only {count} of {self.nth} times afterwards"

        return missing

    def text(self) -> str:
        return "the power fails" if self.at is None else f"the power will fail at {self.at} (time {self.nth})"


@dataclass(frozen=True)
class ExportBundle:
    """[Export All] to a file of the scenario, encrypted under ``password``; ``wait`` lets it end within the step."""

    name: str
    password: str = field(repr=False)
    wait: bool = True
    category: Annotated[str, Words(lambda: CATEGORIES)] = CATEGORY

    def act(self, world: World, role: str) -> None:
        world.recorder.redactor.add(self.password)
        world.collect_export()
        world.printer.begin_export(self.password, category=self.category, role=role)
        world.exporting[world.printer.serial] = (self.name, world.printer)
        if self.wait:
            world.run_until(world.clock.now() + timedelta(seconds=world.printer.profile.transfer_seconds))

    def text(self) -> str:
        return f"[Export All]: the settings go to the file {self.name}"


def _is_cut_off(cut: int | None, flip: int | None) -> str | None:
    if cut is None or flip is None or flip < cut:
        return None
    return f"byte {flip} does not exist: cut leaves {cut} bytes; flip one of those"


@document("", agree("cut", "flip", _is_cut_off))
@dataclass(frozen=True)
class ImportBundle:
    """Import a file. `cut` keeps only its first bytes; `flip` changes one bit (of that byte, counted from 0)."""

    name: str
    password: str = field(repr=False)
    wait: bool = True
    cut: Annotated[int | None, Within(0)] = None
    flip: Annotated[int | None, Within(0)] = None

    def act(self, world: World, role: str) -> Missing:
        world.recorder.redactor.add(self.password)
        world.collect_export()
        if self.name not in world.bundles:
            raise Refused("no-file", f"there is no file {self.name!r}: its export was cut off or has not ended")
        octets = bytearray(world.bundles[self.name])
        if self.flip is not None:
            octets[self.flip % len(octets)] ^= 1
        world.printer.begin_import(bytes(octets[: self.cut]), self.password, role=role)
        if self.wait:
            world.run_until(world.clock.now() + timedelta(seconds=world.printer.profile.transfer_seconds))
        whole = self.cut is not None and self.cut >= len(octets)
        return lambda: f"the file has only {len(octets)} bytes, so nothing was cut off" if whole else None

    def text(self) -> str:
        return f"[Import All]: the file {self.name}"


@dataclass(frozen=True)
class AnotherPrinter:
    """From here on the steps are about another, new printer; the previous one is switched off, or stays on
    ``beside`` it."""

    profile: Annotated[str, Words(lambda: PROFILES)]
    serial: str
    beside: bool = False

    def act(self, world: World, role: str) -> None:  # noqa: ARG002
        if not self.beside:
            world.printer.power_off()
        setup = replace(world.setting.printer, profile=self.profile, serial=self.serial)
        world.printer = world.make_printer(setup)
        world.printer.power_on()

    def text(self) -> str:
        return f"another printer: {self.profile}, serial number {self.serial}"
