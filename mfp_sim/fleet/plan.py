"""A fleet plan: classes of printers, the network, the CA, outages, variations to compare, and expected limits.

The document layer reads plans. A value that the printer refuses on its screen is refused here in the printer's words.
Values outside the printer (service times, queue, outages) belong to the plan. This module does not run plans.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast
from zoneinfo import ZoneInfo

from mfp_sim.device.local_time import instant_of, local_of
from mfp_sim.device.printer_profile import PROFILES, ModelValues, Profile, contradictions
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, Polling
from mfp_sim.scenario.collection import PLAN_SUFFIX
from mfp_sim.scenario.steps import WrittenPolling
from mfp_sim.shared.documents import Node, Problems, describe, load, load_text
from mfp_sim.shared.documents.kinds import Duration, Leaf, LocalTime, Pattern, Scalar, Schema, Text, Within, Words
from mfp_sim.shared.documents.records import (
    Constraint,
    Doc,
    Given,
    Length,
    apart,
    document,
    read,
    record_of,
    schema_of,
    some,
)
from mfp_sim.shared.errors import Refused, UsageError
from mfp_sim.shared.scep.url import Url

__all__ = [
    "MOST_DAYS", "URL", "DrawnTime", "FleetPlan", "Limits", "LoadPlan", "NetworkPlan", "Outage", "PendingPlan",
    "PrinterClass", "QueuePlan", "ServiceTimes", "Variation", "fleet_schema", "idle_outages", "load_plan", "plans_of",
    "read_plan", "varied",
]  # fmt: skip

URL = "http://ca.example/scep"
"""The address of the SCEP server in every printer's settings."""
MOST_DAYS = 36_500
"""The longest simulated time, in days."""
_PRINTERS = 1_000_000
_DAY = 86_400
_NAME = Pattern("[a-z0-9]+(-[a-z0-9]+)*", "small letters, digits and single hyphens")
_LOOKS = ("silent", "refused", "closed", "hangs", "429", "500", "502", "503", "504")


class Share(Leaf):
    """``5%`` or ``0.1 %``, as a number from 0 to 1."""

    shape: ClassVar[Schema] = {"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"}

    def value(self, node: Node, problems: Problems, what: str) -> object:
        match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?) ?%", str(node.value)) if node.kind == "scalar" else None
        if match is None or float(match[1]) > 100:
            problems.add(node, f"{what} has to be a share such as 5% or 0.1%, not {describe(node)}")
            return None
        return float(match[1]) / 100

    def write(self, value: Any) -> object:
        return f"{value * 100:g}%"


def _ascends(given: Given, problems: Problems) -> None:
    least, most = given.values.get("least"), given.values.get("most")
    if least is not None and most is not None and most < least:
        problems.add(given.keys["most"], f"the longest {given.what} is shorter than the shortest")


@document("", Constraint({}, _ascends), shorthand="least")
@dataclass(frozen=True)
class DrawnTime:
    """A time in seconds, drawn uniformly between two limits or always the same."""

    least: Annotated[float, Duration(), Doc("the shortest time; by itself, the time")] = 0.0
    most: Annotated[float | None, Duration(), Doc("the longest time")] = None

    @property
    def width(self) -> float:
        """The seconds between the shortest and the longest time."""
        return 0.0 if self.most is None else self.most - self.least


# --- printers ---------------------------------------------------------------------------------------------

_PLACES = {
    "bad-timeout": "timeout",
    "bad-poll-count": "polling",
    "bad-poll-interval": "polling",
    "bad-request-interval": "every",
    "start-out-of-range": "start",
}


def _is_a_machine(given: Given, problems: Problems) -> None:
    """Report each value that the printer would refuse on its screen."""
    values = given.values
    if "profile" in given.keys and "profile" not in values:
        return
    model = PROFILES[values.get("profile", PrinterClass.profile)]
    settings = values.get("settings", {})
    model = replace(model, **settings)
    for text in contradictions(model) if settings else ():
        problems.add(given.keys["settings"], text)
    communication = CommunicationSettings(URL, timeout=_whole(values.get("timeout"), model))
    polling = values.get("polling")
    auto = AutoRequestSettings(
        timer="start" in values,
        start=values.get("start"),
        key=KeySettings("fleet", "192.0.2.10"),
        polling=None if polling is None else Polling(polling.count, polling.minutes),
        every_days=values.get("every"),
    )
    checks: tuple[Callable[[], None], ...] = (
        lambda: communication.validate(model),
        lambda: auto.validate(model, dns=False),
    )
    for check in checks:
        try:
            check()
        except Refused as refusal:
            node = given.keys.get(_PLACES.get(refusal.reason, ""), given.node)
            problems.add(node, refusal.message, refusal.remedy)


def _whole(timeout: int | None, model: Profile) -> int:
    return model.default_timeout if timeout is None else timeout


@document("a class of printers", Constraint({}, _is_a_machine))
@dataclass(frozen=True)
class PrinterClass:
    """Printers with the same settings."""

    name: Annotated[str, _NAME, Doc("of the class")]
    count: Annotated[int, Within(1, _PRINTERS), Doc("the number of printers")]
    start: Annotated[datetime, LocalTime(), Doc("the first automatic request, in the printers' local time")]
    profile: Annotated[str, Words(lambda: PROFILES), Doc("the model")] = "canon-ir-adv-dx"
    settings: Annotated[Mapping[str, object], ModelValues(), Doc("other values of the model")] = field(
        default_factory=dict
    )
    timezone: Annotated[str | None, Scalar(Problems.zone, {"type": "string"}), Doc("default: the plan's")] = None
    every_days: Annotated[int | None, Duration(86400, "days"), Doc("the interval of automatic requests", "every")] = (
        None
    )
    adjust: Annotated[bool, Doc("whether a random time is added to the start (1 to 600 s)")] = False
    timeout: Annotated[int | None, Duration(1, "seconds"), Doc("of an exchange; default: the model's")] = None
    polling: Annotated[WrittenPolling | None, Doc("default: no polling")] = None
    key_time: Annotated[DrawnTime, Doc("how long the printer takes to generate a key pair")] = field(
        default_factory=DrawnTime
    )

    @property
    def model(self) -> Profile:
        """The printer profile, with the settings of the plan."""
        return replace(PROFILES[self.profile], **self.settings)  # type: ignore[arg-type]

    @property
    def seconds(self) -> float:
        """The communication timeout in seconds."""
        return float(_whole(self.timeout, self.model))

    @property
    def polls(self) -> Polling | None:
        """Polling, as the printer's own settings."""
        return None if self.polling is None else Polling(self.polling.count, self.polling.minutes)

    def auto_request(self, key: KeySettings) -> AutoRequestSettings:
        """The settings of the automatic request, as an administrator would enter them."""
        return AutoRequestSettings(
            timer=True,
            start=self.start,
            key=key,
            adjust=self.adjust,
            polling=self.polls,
            every_days=self.every_days,
            delete_old=True,
        )


# --- network and CA ---------------------------------------------------------------------------------------


@document("the network")
@dataclass(frozen=True)
class NetworkPlan:
    """The network between printers and CA."""

    latency: Annotated[float, Duration(), Doc("each way")] = 0.002
    loss: Annotated[float, Share(), Doc("the share of requests that are lost on the way")] = 0.0


Times = Annotated[tuple[Annotated[float, Duration()], ...], Length(1)]


@document("the service times")
@dataclass(frozen=True)
class ServiceTimes:
    """The time that one worker of the CA takes for a request: a list of equally likely times."""

    caps: Annotated[Times, Doc("times that are equally likely", "GetCACaps")] = (0.0003,)
    ca_cert: Annotated[Times, Doc("the same", "GetCACert")] = (0.0003,)
    pki: Annotated[Times, Doc("the same, also for RenewalReq", "PKCSReq")] = (0.010,)
    poll: Annotated[Times, Doc("the same", "CertPoll")] = (0.005,)


@document("the queue")
@dataclass(frozen=True)
class QueuePlan:
    """Requests that wait for a worker."""

    length: Annotated[int | None, Within(0), Doc("how many may wait; default: any number")] = None
    beyond: Annotated[Literal["refused", "503"], Doc("what happens to further requests")] = "refused"
    given_up: Annotated[
        Literal["served", "dropped"], Doc("what happens to a waiting request whose printer has given up")
    ] = "served"


@document("pending")
@dataclass(frozen=True)
class PendingPlan:
    """Requests that an operator approves."""

    share: Annotated[float, Share(), Doc("of new requests")]
    approved_after: Annotated[DrawnTime, Doc("time from the PENDING reply to the approval")]


@document("the CA", apart("service", "measured"))
@dataclass(frozen=True)
class CaPlan:
    """The CA of the fleet."""

    workers: Annotated[int, Within(1, 10_000), Doc("the number of requests served at once")] = 1
    service: Annotated[ServiceTimes, Doc("how long a request takes")] = field(default_factory=ServiceTimes)
    measured: Annotated[
        str | None, Text(), Doc("instead of service, the load.json of mfp-sim load with one client, beside the plan")
    ] = None
    queue: Annotated[QueuePlan, Doc("requests that wait for a worker")] = field(default_factory=QueuePlan)
    pending: Annotated[PendingPlan | None, Doc("requests that an operator approves; default: none")] = None
    validity: Annotated[float, Duration(), Doc("of the certificates")] = 365 * 86400.0
    challenge_lifetime: Annotated[
        float | None, Duration(), Doc("how long the challenge password is valid after the planned start")
    ] = None


@document("an outage")
@dataclass(frozen=True)
class Outage:
    """A period in which the CA does not serve requests, and how that looks to a printer."""

    begins: Annotated[datetime, LocalTime(), Doc("in the plan's time zone", "from")]
    lasts: Annotated[float, Duration(), Doc("how long", "for")]
    looks: Annotated[
        str,
        Words(lambda: _LOOKS),
        Doc("silent: no packet comes back; hangs: the connection opens, no reply comes; refused; closed; or a status"),
    ] = "silent"


# --- the plan ---------------------------------------------------------------------------------------------


@document("a variation", some("changes nothing", hint="name what differs: adjust, polling, workers …"))
@dataclass(frozen=True)
class Variation:
    """A change to the plan, in every class of printers or at the CA."""

    adjust: bool | None = None
    every_days: Annotated[int | None, Duration(86400, "days"), Doc(key="every")] = None
    timeout: Annotated[int | None, Duration(1, "seconds")] = None
    polling: WrittenPolling | None = None
    workers: Annotated[int | None, Within(1, 10_000)] = None
    validity: Annotated[float | None, Duration()] = None

    @property
    def label(self) -> str:
        """The changes, as written in the plan."""
        written = cast("dict[str, object]", record_of(Variation).write(self))
        return ", ".join(f"{key}: {_said(value)}" for key, value in written.items())


def _said(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_said(inner)}" for key, inner in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


@document("what is expected", some("has no expectation"))
@dataclass(frozen=True)
class Limits:
    """Limits of the result; if one is exceeded, the exit code is 1."""

    failed: Annotated[int | None, Within(0), Doc("requests that end in Error, at most")] = None
    lost: Annotated[int | None, Within(0), Doc("printers without a valid certificate at the end, at most")] = None
    without_certificate: Annotated[float | None, Doc("printer-days without a valid certificate, at most")] = None
    waiting_p99: Annotated[float | None, Duration(), Doc("99 of 100 requests wait no longer for the CA")] = None
    successful: Annotated[float | None, Share(), Doc("the share of requests that end with a certificate, at least")] = (
        None
    )


def _is_a_load(given: Given, problems: Problems) -> None:
    """Check that a rate has an end, and that the target has no login, which reports would show."""
    rate, timeout = given.values.get("rate"), given.values.get("timeout")
    if rate is not None and not 0 < rate <= 10_000:
        problems.add(given.keys["rate"], "rate has to be above 0 and at most 10000 a second")
    if timeout is not None and not 0.1 <= timeout <= 3600:
        problems.add(given.keys["timeout"], "timeout has to be from 100ms to 1h")
    if given.values.get("target"):
        try:
            Url.of_server(given.values["target"], "write http://host[:port]/path")
        except UsageError as error:
            problems.add(given.keys["target"], error.message, error.remedy)


@document("the load", Constraint({}, _is_a_load))
@dataclass(frozen=True)
class LoadPlan:
    """The load that ``mfp-sim load`` puts on a real server; the defaults are careful."""

    target: Annotated[str, Doc("the URL of the SCEP server")] = ""
    rate: Annotated[float | None, Doc("enrolments started per second, even if others still run")] = 5.0
    clients: Annotated[
        int, Within(1, 10_000), Doc("without a rate: the number of clients, each with one enrolment after another")
    ] = 1
    certificates: Annotated[int, Within(1, 1_000_000), Doc("the largest number of certificates to request")] = 100
    ramp: Annotated[float, Duration(), Doc("time in which the rate rises to its value")] = 0.0
    timeout: Annotated[float, Duration(), Doc("of an exchange")] = 30.0


def _names_differ(given: Given, problems: Problems) -> None:
    classes = given.values.get("printers", ())
    names = [one.name for one in classes]
    for number, name in enumerate(names):
        if name in names[:number]:
            problems.add(given.keys["printers"].items[number], f"the class {name!r} exists already")
    if sum(one.count for one in classes) > _PRINTERS:
        problems.add(given.keys["printers"], f"a plan has at most {_PRINTERS} printers")


def idle_outages(plan: FleetPlan) -> Iterator[tuple[int, str, str]]:
    """The outages without any effect on a run: number in the plan, what is wrong, and the remedy."""
    zone, end, covered = ZoneInfo(plan.timezone), float(plan.days * _DAY), -inf
    spans = [(plan.seconds_at(one.begins), one.lasts, number) for number, one in enumerate(plan.outages)]
    for begins, lasts, number in sorted(spans):
        name, ends = f"the outage from {_minute(plan.outages[number].begins)}", begins + lasts
        if not lasts:
            yield number, f"{name} has no duration", "write for: 30m"
        elif begins >= end:
            days, last = int(begins // _DAY) + 1, _minute(local_of(plan.begins + timedelta(days=plan.days), zone))
            remedy = f"{days} days or more, or an earlier outage" if days <= MOST_DAYS else "an earlier outage"
            yield number, f"{name} begins after the simulated time, which ends at {last}", remedy
        elif ends <= 0:
            first = _minute(local_of(plan.begins, zone))
            yield number, f"{name} is over before the simulated time begins, at {first}", "a later or longer outage"
        elif ends <= covered:
            yield number, f"{name} changes nothing: it lies within others", "leave it out"
        covered = max(covered, ends)


def _minute(local: datetime) -> str:
    return f"{local:%Y-%m-%d %H:%M}"


def _outages_matter(given: Given, problems: Problems) -> None:
    """Check that each outage can change the run."""
    names = [name for name in ("printers", "outages", "days", "timezone") if name in given.keys]
    if not {"printers", "outages"} <= set(names) or not all(name in given.values for name in names):
        return
    plan = FleetPlan(1, "", **{name: given.values[name] for name in names})
    for number, text, remedy in idle_outages(plan):
        problems.add(given.keys["outages"].items[number], text, remedy)


def _varies_a_machine(given: Given, problems: Problems) -> None:
    """Check that the printers accept each variation."""
    classes, variations = given.values.get("printers", ()), given.values.get("compare", ())
    for number, variation in enumerate(variations):
        if variation in variations[:number]:
            problems.add(given.keys["compare"].items[number], f"{variation.label} is compared already")
        for one in classes:
            found = Problems()
            changed = _class(one, variation)
            values = {
                "profile": changed.profile, "settings": changed.settings, "start": changed.start,
                "every": changed.every_days, "timeout": changed.timeout, "polling": changed.polling,
            }  # fmt: skip
            node = given.keys["compare"].items[number]
            _is_a_machine(Given("", node, {}, values), found)
            if found.found:
                problems.found.extend(found.found)
                break


@document(
    "a fleet plan", Constraint({}, _names_differ), Constraint({}, _varies_a_machine), Constraint({}, _outages_matter)
)
@dataclass(frozen=True)
class FleetPlan:
    """Everything that determines a run; ``name`` and ``why`` are for people."""

    format: Annotated[int, Scalar(Problems.version, {"const": 1})]
    name: Annotated[str, _NAME, Doc("of the plan")]
    printers: Annotated[tuple[PrinterClass, ...], Length(1), Doc("classes of identically configured printers")]
    why: Annotated[str, Text(), Doc("what the plan shows, for people")] = ""
    seed: Annotated[int, Within(0), Doc("the seed of all random values")] = 1
    days: Annotated[int, Within(1, MOST_DAYS), Doc("the simulated time, from the first start on")] = 1
    timezone: Annotated[str, Scalar(Problems.zone, {"type": "string"}), Doc("of outages, and of printers")] = "UTC"
    network: Annotated[NetworkPlan, Doc("between printers and CA")] = field(default_factory=NetworkPlan)
    ca: Annotated[CaPlan, Doc("the CA of all printers")] = field(default_factory=CaPlan)
    outages: Annotated[tuple[Outage, ...], Doc("times at which the CA does not reply")] = ()
    compare: Annotated[tuple[Variation, ...], Doc("each is run in addition to the plan itself")] = ()
    load: Annotated[LoadPlan | None, Doc("the settings of mfp-sim load, which alone reads this")] = None
    expect: Annotated[Limits | None, Doc("limits of the result; the exit code is 1 if one is exceeded")] = None

    @property
    def begins(self) -> datetime:
        """The instant of the first printer's first request, without adjustment."""
        return min(instant_of(one.start, self.zone_of(one)) for one in self.printers)

    def zone_of(self, one: PrinterClass) -> ZoneInfo:
        """The time zone of a class of printers."""
        return ZoneInfo(one.timezone or self.timezone)

    @property
    def total(self) -> int:
        """The number of printers."""
        return sum(one.count for one in self.printers)

    def seconds_at(self, local: datetime) -> float:
        """A local time of the plan, in seconds from its beginning."""
        return (instant_of(local, ZoneInfo(self.timezone)) - self.begins).total_seconds()


def load_plan(path: Path) -> FleetPlan:
    """The plan of a file.

    Raises:
        UsageError: the file cannot be read.
        DocumentError: lists all its mistakes.
    """
    return _plan(load(path))


def plans_of(paths: Iterable[Path]) -> list[Path]:
    """The plan files among these paths, and in these directories and their subdirectories."""
    return [
        file
        for path in paths
        for file in (sorted(path.rglob(f"*{PLAN_SUFFIX}")) if path.is_dir() else [path])
        if file.name.endswith(PLAN_SUFFIX) and file.is_file()
    ]


def read_plan(text: str, file: str = "<text>") -> FleetPlan:
    """The plan in a text. Errors begin with the name ``file``."""
    return _plan(load_text(text, file))


def _plan(root: Node) -> FleetPlan:
    problems = Problems()
    plan = read(FleetPlan, root, problems)
    problems.raise_if_any()
    assert plan is not None
    return plan


def fleet_schema() -> Schema:
    """The JSON schema of plans."""
    return schema_of(record_of(FleetPlan), "mfp-sim fleet plan")


_OF_CA = frozenset({"workers", "validity"})


def _given(variation: Variation) -> dict[str, Any]:
    return {f.name: value for f in fields(variation) if (value := getattr(variation, f.name)) is not None}


def _class(one: PrinterClass, variation: Variation) -> PrinterClass:
    return replace(one, **{name: value for name, value in _given(variation).items() if name not in _OF_CA})


def varied(plan: FleetPlan, variation: Variation) -> FleetPlan:
    """The plan with a variation applied."""
    ca = {name: value for name, value in _given(variation).items() if name in _OF_CA}
    return replace(
        plan, printers=tuple(_class(one, variation) for one in plan.printers), ca=replace(plan.ca, **ca), compare=()
    )
