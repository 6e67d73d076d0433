"""Steps on the machine itself: functions, clock, power failures, bundles, another machine.

One class a step, as in :mod:`mfp_sim.scenario.steps`, whose table they stand in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mfp_sim.device.bundle import CATEGORIES, CATEGORY
from mfp_sim.device.power import NAMES as POWER_POINTS
from mfp_sim.device.printer import SCREENS
from mfp_sim.device.profile import ALL_USES, PROFILES
from mfp_sim.documents import Node, Problems, did_you_mean
from mfp_sim.errors import Refused
from mfp_sim.scenario.premises import Missing
from mfp_sim.scenario.shapes import moment
from mfp_sim.scenario.world import World

KEY_GENERATION = ("fails", "works")

__all__ = [
    "KEY_GENERATION",
    "AnotherPrinter",
    "DeleteKey",
    "ExportBundle",
    "Function",
    "ImportBundle",
    "KeyGeneration",
    "OpenScreen",
    "PowerCut",
    "PrinterClock",
    "read_another_printer",
    "read_delete_key",
    "read_export",
    "read_function",
    "read_import",
    "read_key_generation",
    "read_open_screen",
    "read_power_cut",
    "read_printer_clock",
]


@dataclass(frozen=True)
class OpenScreen:
    screen: str

    def act(self, world: World, role: str) -> None:
        world.printer.open_screen(self.screen, role=role)

    def text(self) -> str:
        return f"[{self.screen}] is opened"


@dataclass(frozen=True)
class DeleteKey:
    """The newest key of a name, or the ``nth`` oldest of them."""

    name: str
    nth: int | None = None

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
    use: str
    on: bool

    def act(self, world: World, role: str) -> None:
        world.printer.set_function(self.use, self.on, role=role)

    def text(self) -> str:
        return f"{self.use} is switched {'on' if self.on else 'off'}"


@dataclass(frozen=True)
class KeyGeneration:
    state: str

    def act(self, world: World, role: str) -> Missing:  # noqa: ARG002
        world.keys.fails = self.state == "fails"
        before = world.keys.asked
        return lambda: None if world.keys.asked > before else "no key was to be generated after that"

    def text(self) -> str:
        return f"the machine's generation of keys {self.state}"


@dataclass(frozen=True)
class PrinterClock:
    local: datetime | None

    def act(self, world: World, role: str) -> None:  # noqa: ARG002 - every step has a role
        world.printer.set_clock(None if self.local is None else moment(self.local, world.zone))

    def text(self) -> str:
        return "the printer's clock is set right" if self.local is None else f"the printer's clock says {self.local}"


@dataclass(frozen=True)
class PowerCut:
    """At once, or the ``nth`` time that a point is passed; power is back after ``off`` seconds, or with power_on."""

    at: str | None = None
    nth: int = 1
    off: float | None = None

    def act(self, world: World, role: str) -> Missing | None:  # noqa: ARG002
        printer = world.printer
        if self.at is None:
            was_on = printer.powered
            printer.power_cut(self.off)
            return None if was_on else lambda: "the machine was off already"
        printer.points.off_seconds = self.off
        before, armed = len(printer.points.passed), printer.points.arm(self.at, self.nth)

        def missing() -> str | None:
            count = printer.points.passed[before:].count(armed.name or "")
            return None if armed.came else f"{self.at} was passed {count} of {self.nth} times after that"

        return missing

    def text(self) -> str:
        return "the power fails" if self.at is None else f"the power will fail at {self.at} (time {self.nth})"


@dataclass(frozen=True)
class ExportBundle:
    name: str
    password: str = field(repr=False)
    wait: bool = True
    category: str = CATEGORY

    def act(self, world: World, role: str) -> None:
        world.recorder.redactor.add(self.password)
        world.collect_export()
        world.printer.begin_export(self.password, category=self.category, role=role)
        world.exporting = (self.name, world.printer)
        if self.wait:
            world.run_until(world.clock.now() + timedelta(seconds=world.printer.profile.transfer_seconds))

    def text(self) -> str:
        return f"[Export All]: the settings go to the file {self.name}"


@dataclass(frozen=True)
class ImportBundle:
    """``cut`` leaves only the first octets of the file; ``flip`` changes one bit (of the octet, counted from 0)."""

    name: str
    password: str = field(repr=False)
    wait: bool = True
    cut: int | None = None
    flip: int | None = None

    def act(self, world: World, role: str) -> None:
        world.recorder.redactor.add(self.password)
        world.collect_export()
        if self.name not in world.bundles:
            raise Refused("no-file", f"there is no file {self.name!r}: its export was cut off or goes on")
        octets = bytearray(world.bundles[self.name])
        if self.flip is not None:
            octets[self.flip % len(octets)] ^= 1
        world.printer.begin_import(bytes(octets[: self.cut]), self.password, role=role)
        if self.wait:
            world.run_until(world.clock.now() + timedelta(seconds=world.printer.profile.transfer_seconds))

    def text(self) -> str:
        return f"[Import All]: the file {self.name}"


@dataclass(frozen=True)
class AnotherPrinter:
    """From here on the steps are about another machine, fresh from the factory."""

    profile: str
    serial: str

    def act(self, world: World, role: str) -> None:  # noqa: ARG002
        world.printer.power_off()
        world.printer = world.make_printer(self.profile, self.serial)
        world.printer.power_on()

    def text(self) -> str:
        return f"another machine: {self.profile}, serial number {self.serial}"


# --- reading ----------------------------------------------------------------------------------------------


def read_open_screen(node: Node, problems: Problems) -> OpenScreen | None:
    screen = problems.choice(node, SCREENS, "open_screen")
    return None if screen is None else OpenScreen(screen)


def read_key_generation(node: Node, problems: Problems) -> KeyGeneration | None:
    state = problems.choice(node, KEY_GENERATION, "key_generation")
    return None if state is None else KeyGeneration(state)


def read_delete_key(node: Node, problems: Problems) -> DeleteKey | None:
    if node.kind != "map":
        name = problems.text(node, "delete_key")
        return None if name is None else DeleteKey(name)
    fields = problems.map(node, ("name", "nth"), "delete_key", required=("name", "nth"))
    name = problems.text(fields["name"], "name") if "name" in fields else None
    nth = problems.integer(fields["nth"], "nth", 1) if "nth" in fields else None
    return None if name is None or nth is None else DeleteKey(name, nth)


def read_function(node: Node, problems: Problems) -> Function | None:
    fields = problems.map(node, ("use", "on"), "function", required=("use", "on"))
    use = problems.choice(fields["use"], ALL_USES[1:], "use") if "use" in fields else None
    on = problems.boolean(fields["on"], "on") if "on" in fields else None
    return None if use is None or on is None else Function(use, on)


def read_printer_clock(node: Node, problems: Problems) -> PrinterClock | None:
    if node.value == "right":
        return PrinterClock(None)
    local = problems.moment(node, "printer_clock", offset=True)
    return None if local is None else PrinterClock(local)


def read_power_cut(node: Node, problems: Problems) -> PowerCut | None:
    if node.value in (None, "power_cut"):
        return PowerCut()
    fields = problems.map(node, ("at", "nth", "off"), "power_cut")
    values: dict[str, object] = {}
    if "nth" in fields and "at" not in fields:
        problems.add(fields["nth"], "nth counts how often a point is passed: name it with at")
    if "at" in fields:
        values["at"] = problems.text(fields["at"], "at")
        if values["at"] is not None and values["at"] not in POWER_POINTS:
            hint = did_you_mean(str(values["at"]), POWER_POINTS) or "mfp-sim power-points shows those of a scenario"
            problems.add(fields["at"], f"there is no power point {values['at']!r}", hint)
    if "nth" in fields:
        values["nth"] = problems.integer(fields["nth"], "nth", 1)
    if "off" in fields:
        values["off"] = problems.seconds(fields["off"], "off")
    return PowerCut(**values)  # type: ignore[arg-type]


def read_export(node: Node, problems: Problems) -> ExportBundle | None:
    names = ("name", "password", "wait", "category")
    fields = problems.map(node, names, "export_bundle", required=("name", "password"))
    texts = {key: problems.text(fields[key], key) for key in ("name", "password") if key in fields}
    wait = problems.boolean(fields["wait"], "wait") if "wait" in fields else True
    if len(texts) < 2:
        return None
    category = problems.choice(fields["category"], CATEGORIES, "category") if "category" in fields else CATEGORY
    return ExportBundle(**texts, wait=bool(wait), category=category or CATEGORY)  # type: ignore[arg-type]


def read_import(node: Node, problems: Problems) -> ImportBundle | None:
    names = ("name", "password", "wait", "cut", "flip")
    fields = problems.map(node, names, "import_bundle", required=("name", "password"))
    texts = {key: problems.text(fields[key], key) for key in ("name", "password") if key in fields}
    wait = problems.boolean(fields["wait"], "wait") if "wait" in fields else True
    numbers = {key: problems.integer(fields[key], key, 0) for key in ("cut", "flip") if key in fields}
    return ImportBundle(**texts, wait=bool(wait), **numbers) if len(texts) == 2 else None  # type: ignore[arg-type]


def read_another_printer(node: Node, problems: Problems) -> AnotherPrinter | None:
    fields = problems.map(node, ("profile", "serial"), "another_printer", required=("profile", "serial"))
    profile = problems.choice(fields["profile"], PROFILES, "profile") if "profile" in fields else None
    serial = problems.text(fields["serial"], "serial") if "serial" in fields else None
    return None if profile is None or serial is None else AnotherPrinter(profile, serial)
