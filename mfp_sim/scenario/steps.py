"""What people and the world do: one class a step, one table. Readers collect mistakes, ``act`` does it.

To add a step: a frozen dataclass with ``read`` and ``act``, and its line in ``STEPS``; the schema follows by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, cast, get_args
from zoneinfo import ZoneInfo

from mfp_sim.device.calendar import local_of
from mfp_sim.device.printer import SCREENS
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.documents import Node, Problems
from mfp_sim.scenario.ca_steps import OPERATOR_ACTS, read_ca_operator
from mfp_sim.scenario.machine_steps import (
    KEY_GENERATION,
    read_another_printer,
    read_delete_key,
    read_export,
    read_function,
    read_import,
    read_key_generation,
    read_open_screen,
    read_power_cut,
    read_printer_clock,
)
from mfp_sim.scenario.premises import Missing
from mfp_sim.scenario.shapes import moment, whole
from mfp_sim.scenario.world import World
from mfp_sim.transport import NetworkState as States
from mock_scep_server.script import Rule, read_script

__all__ = ["STEPS", "Act", "Step", "StepKind", "read_step"]


class Act(Protocol):
    """What a step does."""

    def act(self, world: World, role: str) -> Missing | None:
        """Do it; what is given back says what is missing of the step's premise, asked at the end of the run."""
        ...

    def text(self) -> str:
        """The step in a sentence, without secrets."""
        ...


@dataclass(frozen=True)
class Step:
    """A step of a scenario: the act, who does it, whether a refusal is expected, and whether it may be for nothing."""

    kind: str
    act: Act
    place: str
    role: str = "administrator"
    refused: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Communication:
    url: str
    port: int = 80
    timeout: int | None = None

    def act(self, world: World, role: str) -> None:
        world.printer.update_communication(url=self.url, port=self.port, timeout=self.timeout, role=role)

    def text(self) -> str:
        return f"[Communication Settings]: {self.url}, port {self.port}, [Update]"


@dataclass(frozen=True)
class Request:
    key: KeySettings

    def act(self, world: World, role: str) -> None:
        world.printer.send_request(_with_challenge(self.key, world), role=role)

    def text(self) -> str:
        return f"[Certificate Issuance Request]: {self.key.name} for {self.key.common_name}, [Send Request]"


@dataclass(frozen=True)
class AutoRequest:
    """``start_in``: the start in seconds from now, instead of the one in ``settings``."""

    settings: AutoRequestSettings
    start_in: float | None = None

    def act(self, world: World, role: str) -> None:
        settings = self.settings
        if self.start_in is not None:
            start = world.printer.clock.now() + timedelta(seconds=self.start_in)
            settings = replace(settings, start=local_of(start, world.zone))
        if settings.key is not None:
            settings = replace(settings, key=_with_challenge(settings.key, world))
        world.printer.update_auto_request(settings, role=role)

    def text(self) -> str:
        if not self.settings.timer:
            return "[Settings for Certificate Issuance Auto Request]: timer off, [Update]"
        start = self.settings.start
        told = f"from {start:%Y-%m-%d %H:%M}" if start is not None else "no start date/time"
        if self.start_in is not None:
            told = f"in {timedelta(seconds=self.start_in)}"
        return f"[Settings for Certificate Issuance Auto Request]: {told}, [Update]"


@dataclass(frozen=True)
class Advance:
    seconds: float

    def act(self, world: World, role: str) -> None:  # noqa: ARG002 - every step has a role
        world.run_until(world.clock.now() + timedelta(seconds=self.seconds))

    def text(self) -> str:
        return f"time passes: {timedelta(seconds=self.seconds)}"


@dataclass(frozen=True)
class AdvanceTo:
    local: datetime

    def instant(self, zone: ZoneInfo) -> datetime:
        """The time meant, by the printer's time zone."""
        return moment(self.local, zone)

    def act(self, world: World, role: str) -> Missing | None:  # noqa: ARG002
        instant, now = self.instant(world.zone), world.clock.now()
        if instant < now:
            return lambda: f"it was {local_of(now, world.zone):%Y-%m-%d %H:%M:%S} already"
        world.run_until(instant)
        return None

    def text(self) -> str:
        return f"time passes until {self.local:%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True)
class Power:
    what: str

    def act(self, world: World, role: str) -> None:
        if self.what == "power_off":
            world.printer.power_off()
        elif self.what == "power_on":
            world.printer.power_on()
        else:
            world.printer.restart(role=role)
            world.run_until(world.clock.now() + timedelta(seconds=world.printer.profile.restart_seconds))

    def text(self) -> str:
        return {"restart": "[Restart]", "power_off": "the machine is switched off", "power_on": "it is switched on"}[
            self.what
        ]


@dataclass(frozen=True)
class NetworkState:
    state: States

    def act(self, world: World, role: str) -> Missing:  # noqa: ARG002
        world.network.state = self.state
        spell = world.network.spell
        return lambda: None if spell.exchanges else "nothing was sent in that time"

    def text(self) -> str:
        return f"the network is {self.state}"


@dataclass(frozen=True)
class Dns:
    on: bool

    def act(self, world: World, role: str) -> None:
        world.printer.set_dns(self.on, role=role)

    def text(self) -> str:
        return f"a DNS server is {'configured' if self.on else 'removed'}"


@dataclass(frozen=True)
class Ip:
    address: str

    def act(self, world: World, role: str) -> None:
        world.printer.set_ip(self.address, role=role)

    def text(self) -> str:
        return f"the printer's IP address is set to {self.address}"


@dataclass(frozen=True)
class CaScript:
    rules: tuple[Rule, ...] = field(repr=False)

    def act(self, world: World, role: str) -> None:  # noqa: ARG002
        if world.ca is not None:
            world.ca.script.replace(self.rules)

    def text(self) -> str:
        return f"the CA's script is replaced ({len(self.rules)} rules)"


def _with_challenge(key: KeySettings, world: World) -> KeySettings:
    """A challenge given for a real server stands in for the scenario's own; a wrong one on purpose is masked too."""
    if key.challenge:
        world.recorder.redactor.add(key.challenge)
    if world.challenge is None or key.challenge is None or key.challenge != world.scenario.ca.challenge:
        return key
    return replace(key, challenge=world.challenge)


# --- reading ----------------------------------------------------------------------------------------------


KEY_FIELDS = ("name", "common_name", "organization", "length", "signature", "use", "policy", "challenge")


def _key(node: Node, problems: Problems) -> KeySettings | None:
    fields = problems.map(node, KEY_FIELDS, "the key", required=("name", "common_name"))
    values: dict[str, object] = {}
    for name, value in fields.items():
        values[name] = problems.integer(value, name) if name == "length" else problems.text(value, name)
    if None in values.values() or not {"name", "common_name"} <= values.keys():
        return None
    return KeySettings(**values)  # type: ignore[arg-type]


def _communication(node: Node, problems: Problems) -> Act | None:
    fields = problems.map(node, ("url", "port", "timeout"), "communication", required=("url",))
    url = problems.text(fields["url"], "url") if "url" in fields else None
    port = problems.integer(fields["port"], "port") if "port" in fields else 80
    timeout = problems.seconds(fields["timeout"], "timeout") if "timeout" in fields else None
    if url is None or port is None:
        return None
    return Communication(url, port, None if timeout is None else int(timeout))


def _request(node: Node, problems: Problems) -> Act | None:
    key = _key(node, problems)
    return None if key is None else Request(key)


AUTO_FIELDS = ("timer", "start", "start_in", "adjust", "polling", "every", "restart", "delete_old", "key")


def _auto_request(node: Node, problems: Problems) -> Act | None:
    fields = problems.map(node, AUTO_FIELDS, "auto_request")
    values: dict[str, object] = {"timer": True}
    for name in ("timer", "adjust", "restart", "delete_old"):
        if name in fields:
            values[name] = problems.boolean(fields[name], name)
    if "start" in fields:
        values["start"] = problems.moment(fields["start"], "start")
    start_in = problems.seconds(fields["start_in"], "start_in") if "start_in" in fields else None
    if "start" in fields and "start_in" in fields:
        problems.add(fields["start_in"], "start is given too; one of the two is enough")
    if "key" in fields:
        values["key"] = _key(fields["key"], problems)
    if "every" in fields:
        values["every_days"] = whole(fields["every"], problems, "every", 86400, "days")
    if "polling" in fields:
        values["polling"] = _polling(fields["polling"], problems)
    return AutoRequest(AutoRequestSettings(**values), start_in)  # type: ignore[arg-type]


def _polling(node: Node, problems: Problems) -> Polling | None:
    fields = problems.map(node, ("count", "interval"), "polling", required=("count", "interval"))
    count = problems.integer(fields["count"], "count") if "count" in fields else None
    minutes = whole(fields["interval"], problems, "interval", 60, "minutes") if "interval" in fields else None
    return None if count is None or minutes is None else Polling(count, minutes)


def _advance(node: Node, problems: Problems) -> Act | None:
    seconds = problems.seconds(node, "advance")
    return None if seconds is None else Advance(seconds)


def _advance_to(node: Node, problems: Problems) -> Act | None:
    local = problems.moment(node, "advance_to", offset=True)
    return None if local is None else AdvanceTo(local)


def _power(what: str) -> Callable[[Node, Problems], Act | None]:
    def read(node: Node, problems: Problems) -> Act | None:
        if node.value not in (None, what, ()):
            problems.add(node, f"{what} takes no argument")
        return Power(what)

    return read


NETWORK_STATES: tuple[States, ...] = get_args(States)


def _network(node: Node, problems: Problems) -> Act | None:
    state = problems.choice(node, NETWORK_STATES, "network")
    return None if state is None else NetworkState(cast("States", state))


def _dns(node: Node, problems: Problems) -> Act | None:
    on = problems.boolean(node, "dns")
    return None if on is None else Dns(on)


def _ip(node: Node, problems: Problems) -> Act | None:
    address = problems.text(node, "ip")
    return None if address is None else Ip(address)


def _ca_script(node: Node, problems: Problems) -> Act | None:
    return CaScript(read_script(node, problems))


@dataclass(frozen=True)
class StepKind:
    """A line of the step table.

    ``shape`` is the JSON schema of the argument; ``person`` whether ``as`` applies; ``premise`` what has to come true
    by the end of the run, unless the step says ``optional: true``. It is empty where nothing has to.
    """

    read: Callable[[Node, Problems], Act | None]
    sentence: str
    shape: Mapping[str, object]
    person: bool = True
    premise: str = ""


def _object(*names: str, required: tuple[str, ...] = ()) -> dict[str, object]:
    shape: dict[str, object] = {
        "type": "object",
        "properties": {name: {} for name in names},
        "additionalProperties": False,
    }
    return {**shape, "required": list(required)} if required else shape


STEPS: dict[str, StepKind] = {
    "communication": StepKind(
        _communication, "[Update] on the communication settings", _object("url", "port", "timeout", required=("url",))
    ),
    "request": StepKind(
        _request, "a manual request, to its end", _object(*KEY_FIELDS, required=("name", "common_name"))
    ),
    "auto_request": StepKind(_auto_request, "[Update] on the automatic request", _object(*AUTO_FIELDS)),
    "open_screen": StepKind(read_open_screen, "a screen is opened, to look", {"enum": list(SCREENS)}),
    "delete_key": StepKind(
        read_delete_key,
        "delete the newest key of that name, or the nth oldest of them",
        {"oneOf": [{"type": "string"}, _object("name", "nth", required=("name", "nth"))]},
    ),
    "restart": StepKind(_power("restart"), "restart, until the machine is up again", {}),
    "power_off": StepKind(_power("power_off"), "switch the machine off", {}, person=False),
    "power_on": StepKind(_power("power_on"), "switch it on", {}, person=False),
    "advance": StepKind(_advance, "let time pass", {"type": "string"}, person=False),
    "advance_to": StepKind(
        _advance_to, "let time pass until a local time", {"type": "string"}, False, "a time to come"
    ),
    "network": StepKind(
        _network, "the state of the network", {"enum": list(NETWORK_STATES)}, False, "an exchange in this state"
    ),
    "dns": StepKind(_dns, "configure or remove the DNS server", {"type": "boolean"}),
    "ip": StepKind(_ip, "give the printer another IPv4 or IPv6 address", {"type": "string"}),
    "function": StepKind(read_function, "switch a function on or off", _object("use", "on", required=("use", "on"))),
    "key_generation": StepKind(
        read_key_generation,
        "the machine's generation of keys fails, or works",
        {"enum": list(KEY_GENERATION)},
        person=False,
        premise="a key that was to be generated",
    ),
    "printer_clock": StepKind(
        read_printer_clock, "the printer's clock: a local time, or right", {"type": "string"}, person=False
    ),
    "power_cut": StepKind(
        read_power_cut,
        "the power fails, now or at a point (mfp-sim power-points)",
        _object("at", "nth", "off"),
        person=False,
        premise="the power to fail",
    ),
    "export_bundle": StepKind(
        read_export,
        "batch export of the settings",
        _object("name", "password", "wait", "category", required=("name", "password")),
    ),
    "import_bundle": StepKind(
        read_import,
        "batch import of the settings",
        _object("name", "password", "wait", "cut", "flip", required=("name", "password")),
    ),
    "another_printer": StepKind(
        read_another_printer,
        "go on with another machine",
        _object("profile", "serial", required=("profile", "serial")),
        person=False,
    ),
    "ca_operator": StepKind(
        read_ca_operator,
        "the CA's operator does something (see below)",
        _object(*OPERATOR_ACTS),
        person=False,
        premise="something that it fits",
    ),
    "ca_script": StepKind(_ca_script, "another script for the CA", {"type": "array"}, person=False),
}


def read_step(kind: str, node: Node, problems: Problems) -> Act | None:
    """Read the argument of a step of the table."""
    return STEPS[kind].read(node, problems)
