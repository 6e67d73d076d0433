"""The steps of scenarios: one class per step, and one table. The class describes the argument; `act` does the step.

To add a step, write a frozen dataclass with `act` and `text`, and add its line to `STEPS`. The reader, the JSON schema
and the table in the documentation follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Protocol, cast
from zoneinfo import ZoneInfo

from mfp_sim.device.local_time import local_of
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.scenario.ca_steps import OperatorActs
from mfp_sim.scenario.machine_steps import (
    AnotherPrinter,
    DeleteKey,
    ExportBundle,
    Function,
    ImportBundle,
    KeyGeneration,
    OpenScreen,
    PowerCut,
    PrinterClock,
)
from mfp_sim.scenario.premises import Missing
from mfp_sim.scenario.shapes import moment
from mfp_sim.scenario.world import World
from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Duration, Kind, LocalTime, OneWay, Schema, Word
from mfp_sim.shared.documents.records import Doc, apart, document, kind_of
from mfp_sim.transport import NetworkState
from mock_scep_server.script import Rule
from mock_scep_server.script_file import Rules

__all__ = [
    "STEPS",
    "WORLD",
    "Advance",
    "AdvanceTo",
    "AutoRequest",
    "CaScript",
    "Communication",
    "Step",
    "StepAction",
    "WrittenPolling",
    "read_step",
]


class StepAction(Protocol):
    """The action of a step."""

    def act(self, world: World, role: str) -> Missing | None:
        """Do it; returns a function that reports what the step's premise lacks, called at the end of the run."""
        ...

    def text(self) -> str:
        """The step in a sentence, without secrets."""
        ...


@dataclass(frozen=True)
class Step:
    """A step of a scenario: the act, its role, whether a refusal is expected, and whether its premise is optional.

    ``printer`` is the serial number of the printer that it is about; None means the current one.
    """

    kind: str
    act: StepAction
    place: str
    role: str = "administrator"
    refused: str | None = None
    optional: bool = False
    printer: str | None = None

    def text(self) -> str:
        """The action in words."""
        return self.act.text() if self.printer is None else f"{self.printer}: {self.act.text()}"


@dataclass(frozen=True)
class Communication:
    """[Communication Settings]: the server's URL, its port, and the timeout in seconds; None for the model's own."""

    url: Annotated[str, Doc("the server's URL")]
    port: Annotated[int, Doc("the server's port")] = 80
    timeout: Annotated[int | None, Duration(1, "seconds"), Doc("how long to wait for a reply")] = None

    def act(self, world: World, role: str) -> None:
        world.printer.update_communication(url=self.url, port=self.port, timeout=self.timeout, role=role)

    def text(self) -> str:
        return f"[Communication Settings]: {self.url}, port {self.port}, [Update]"


@document("the key")
@dataclass(frozen=True)
class SendRequest(KeySettings):
    """Send a request with the key's settings. ``wait``: wait for its end; otherwise no time passes."""

    wait: Annotated[bool, Doc("wait for the end of the request; otherwise no time passes")] = True

    @property
    def key(self) -> KeySettings:
        """Only the settings, as the printer receives them."""
        return KeySettings(**{entry.name: getattr(self, entry.name) for entry in fields(KeySettings)})

    def act(self, world: World, role: str) -> None:
        key = _with_challenge(self.key, world)
        if self.wait:
            world.printer.send_request(key, role=role)
            world.keep_within(world.clock.now())
        else:
            world.printer.begin_request(key, role=role)
            world.scheduler.run_due()

    def text(self) -> str:
        left = "" if self.wait else ", without waiting for its end"
        return f"[Certificate Issuance Request]: {self.name} for {self.common_name}, [Send Request]{left}"


@document("polling")
@dataclass(frozen=True)
class WrittenPolling:
    """The number of polls, and the interval between them."""

    count: Annotated[int, Doc("the greatest number of polls")]
    minutes: Annotated[int, Duration(60, "minutes"), Doc("the time between two polls", key="interval")]


@document("", apart("start", "start_in"))
@dataclass(frozen=True)
class AutoRequest:
    """``start_in``: the start in seconds from now, instead of ``start``."""

    timer: Annotated[bool, Doc("whether the timer is on")] = True
    start: Annotated[datetime | None, LocalTime(), Doc("the first request, in the printer's local time")] = None
    start_in: Annotated[float | None, Duration(), Doc("the first request, counted from now")] = None
    adjust: Annotated[bool, Doc("move the request by a random 1 to 600 seconds from the start")] = False
    polling: Annotated[WrittenPolling | None, Doc("poll after a communication error or PENDING")] = None
    every_days: Annotated[int | None, Duration(86400, "days"), Doc("the interval of requests", key="every")] = None
    restart: Annotated[bool, Doc("restart the printer after a certificate is registered")] = False
    delete_old: Annotated[bool, Doc("overwrite the key with the same use")] = False
    key: Annotated[KeySettings | None, Doc("the key and the certificate to request")] = None

    @property
    def settings(self) -> AutoRequestSettings:
        """The settings to store, with the `start` as it is written."""
        polling = None if self.polling is None else Polling(self.polling.count, self.polling.minutes)
        own = {name: value for name, value in vars(self).items() if name != "start_in"}
        return AutoRequestSettings(**{**own, "polling": polling})

    def act(self, world: World, role: str) -> None:
        settings = self.settings
        if self.start_in is not None:
            start = world.printer.clock.now() + timedelta(seconds=self.start_in)
            settings = replace(settings, start=local_of(start, world.zone))
        if settings.key is not None:
            settings = replace(settings, key=_with_challenge(settings.key, world))
        world.printer.update_auto_request(settings, role=role)

    def text(self) -> str:
        if not self.timer:
            return "[Settings for Certificate Issuance Auto Request]: timer off, [Update]"
        told = f"from {self.start:%Y-%m-%d %H:%M}" if self.start is not None else "no start date/time"
        if self.start_in is not None:
            told = f"in {timedelta(seconds=self.start_in)}"
        return f"[Settings for Certificate Issuance Auto Request]: {told}, [Update]"


@document(whole=True)
@dataclass(frozen=True)
class Advance:
    """Let ``seconds`` pass, with everything that is due in that time."""

    seconds: Annotated[float, Duration()]

    def act(self, world: World, role: str) -> None:  # noqa: ARG002 - every step has a role
        world.run_until(world.clock.now() + timedelta(seconds=self.seconds))

    def text(self) -> str:
        return f"time passes: {timedelta(seconds=self.seconds)}"


@document(whole=True)
@dataclass(frozen=True)
class AdvanceTo:
    """Let time pass until a local time of the printer's zone; its premise is that the time is in the future."""

    local: Annotated[datetime, LocalTime(offset=True)]

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

    def act(self, world: World, role: str) -> Missing | None:
        was_on = world.printer.powered
        if self.what == "power_off":
            changes = was_on or world.printer.comes_back
            world.printer.power_off()
            return lambda: None if changes else "the printer was off already"
        if self.what == "power_on":
            world.printer.power_on()
            return lambda: "the printer was on already" if was_on else None
        world.printer.restart(role=role)
        world.run_until(world.clock.now() + timedelta(seconds=world.printer.profile.restart_seconds))
        return None

    def text(self) -> str:
        return {"restart": "[Restart]", "power_off": "the printer is switched off", "power_on": "it is switched on"}[
            self.what
        ]


@document(whole=True)
@dataclass(frozen=True)
class SetNetwork:
    state: NetworkState

    def act(self, world: World, role: str) -> Missing:  # noqa: ARG002
        world.network.state = self.state
        spell = world.network.spell
        return lambda: None if spell.exchanges else "nothing was sent in this state"

    def text(self) -> str:
        return f"the network is {self.state}"


@document(whole=True)
@dataclass(frozen=True)
class Dns:
    on: bool

    def act(self, world: World, role: str) -> None:
        world.printer.set_dns(self.on, role=role)

    def text(self) -> str:
        return f"a DNS server is {'configured' if self.on else 'removed'}"


@document(whole=True)
@dataclass(frozen=True)
class Ip:
    address: str

    def act(self, world: World, role: str) -> None:
        world.printer.set_ip(self.address, role=role)

    def text(self) -> str:
        return f"the printer's IP address is set to {self.address}"


@document(whole=True)
@dataclass(frozen=True)
class CaScript:
    """Replace the rules of the mock CA."""

    rules: Annotated[tuple[Rule, ...], Rules()] = field(repr=False)

    def act(self, world: World, role: str) -> Missing | None:  # noqa: ARG002
        """Rules have their own premises; an empty script has to replace one with rules."""
        if world.ca is None:
            return None
        replaced = world.ca.script.rules
        world.ca.script.replace(self.rules)
        return lambda: None if self.rules or replaced else "there were no rules to replace"

    def text(self) -> str:
        return f"the CA's script is replaced ({len(self.rules)} rules)"


def _with_challenge(key: KeySettings, world: World) -> KeySettings:
    """A challenge for a real server replaces the scenario's own; an intentionally wrong one is masked too."""
    if key.challenge:
        world.recorder.redactor.add(key.challenge)
    if world.challenge is None or key.challenge is None or key.challenge != world.setting.ca.challenge:
        return key
    return replace(key, challenge=world.challenge)


@dataclass(frozen=True)
class _Powered(OneWay):
    """The written form of a step without an argument."""

    what: str

    def read(self, node: Node, problems: Problems, what: str) -> object:
        if node.value not in (None, ()):
            problems.add(node, f"{what} takes no argument")
            return WRONG
        return Power(self.what)

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind is asked the same
        return {"type": "null"}


# --- the table --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepKind:
    """A line of the step table.

    ``shape`` is the type of its argument, or a kind; ``example`` an example, empty for a bare step; ``person`` whether
    ``as`` applies; ``premise`` what has to come true by the end of the run, unless the step has ``optional: true``; it
    is empty for a step without a premise.
    """

    shape: Any
    sentence: str
    example: str
    person: bool = True
    premise: str = ""

    def example_of(self, name: str) -> str:
        """A step as written in a list of steps."""
        return f"{name}: {self.example}" if self.example else name

    @cached_property
    def kind(self) -> Kind:
        """The written form of its argument."""
        return self.shape if isinstance(self.shape, Kind) else kind_of(self.shape)

    @property
    def stands_alone(self) -> bool:
        """Whether its name is enough."""
        return self.kind.read(Node("scalar", None, "", 0, 0), Problems(), "") is not WRONG


STEPS: dict[str, StepKind] = {
    "communication": StepKind(
        Communication, "[Update] on the communication settings", "{url: http://ca.example/scep, port: 80, timeout: 30s}"
    ),
    "request": StepKind(
        SendRequest,
        "a manual request: waits for its end, or (wait: false) only starts it",
        "{name: tls, common_name: 192.0.2.10, challenge: s3cret, use: TLS}",
    ),
    "auto_request": StepKind(
        AutoRequest,
        "[Update] on the automatic request",
        "{start: 2026-03-02 09:00, polling: {count: 2, interval: 10m}, "
        "every: 30d, key: {name: tls, common_name: 192.0.2.10, challenge: s3cret}}",
    ),
    "open_screen": StepKind(OpenScreen, "open a screen to look at it", "Communication Settings"),
    "delete_key": StepKind(DeleteKey, "delete the newest key with that name, or the nth oldest", "tls"),
    "restart": StepKind(_Powered("restart"), "restart, and wait until the printer is on again", ""),
    "power_off": StepKind(_Powered("power_off"), "switch the printer off", "", False, "a printer that is on"),
    "power_on": StepKind(_Powered("power_on"), "switch the printer on", "", False, "a printer that is off"),
    "advance": StepKind(Advance, "let time pass", "20m", person=False),
    "advance_to": StepKind(
        AdvanceTo, "let time pass until a local time", "2026-03-02 09:00", False, "a time in the future"
    ),
    "network": StepKind(SetNetwork, "set the state of the network", "refused", False, "an exchange in this state"),
    "dns": StepKind(Dns, "configure or remove the DNS server", "true"),
    "ip": StepKind(Ip, "give the printer another IPv4 or IPv6 address", "192.0.2.11"),
    "function": StepKind(Function, "switch a function on or off", "{use: TLS, on: true}"),
    "key_generation": StepKind(
        KeyGeneration,
        "make the printer's generation of keys fail, or work again",
        "fails",
        False,
        "a later key generation",
    ),
    "printer_clock": StepKind(
        PrinterClock,
        "set the printer's clock to a local time, or right",
        "2026-03-01 08:00",
        False,
        "a clock that showed another time",
    ),
    "power_cut": StepKind(
        Annotated[PowerCut, Word(None, PowerCut())],
        "let the power fail, now or at a point (mfp-sim power-points)",
        "{at: PKCSReq.after, off: 10m}",
        False,
        "a power failure",
    ),
    "export_bundle": StepKind(ExportBundle, "batch export of the settings", "{name: settings, password: b4ndle}"),
    "import_bundle": StepKind(
        ImportBundle,
        "batch import of the settings",
        "{name: settings, password: b4ndle}",
        premise="a file that is longer than cut",
    ),
    "another_printer": StepKind(
        AnotherPrinter, "continue with another printer", "{profile: canon-legacy, serial: MFP00002}", person=False
    ),
    "ca_operator": StepKind(
        OperatorActs(),
        "let the CA's operator act (see below)",
        '{approve: "CN=*"}',
        False,
        "something that the pattern matches",
    ),
    "ca_script": StepKind(
        CaScript,
        "replace the CA's script",
        "[{when: {type: CertPoll}, then: success}]",
        False,
        "rules, before or after",
    ),
}
WORLD = ("advance", "network", "another_printer", "ca_operator", "ca_script")
"""The steps that are not about one printer."""


def read_step(kind: str, node: Node, problems: Problems) -> StepAction | None:
    """Read the argument of a step of the table."""
    act = STEPS[kind].kind.read(node, problems, kind)
    return None if act is WRONG else cast(StepAction, act)
