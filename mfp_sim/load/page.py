"""The report of a load run as one HTML page: its findings, and the same charts as on the page of a fleet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup

from mfp_sim.fleet.words import lasting_of
from mfp_sim.load.result import ENROLMENT, ISSUED, LoadResult
from mfp_sim.report.charts import Curve, bars, curves
from mfp_sim.report.drawing import Drawing
from mfp_sim.report.sheet import asset, environment_of, policy_for, quoted
from mfp_sim.report.svg import svg_writer

__all__ = ["as_page", "asked_of_server", "findings_of", "name_of", "times_of"]

_SHARES = (0.5, 0.95, 0.99)


class LoadFinding(NamedTuple):
    """A sentence about a run; ``bad`` if it makes the exit code 1."""

    bad: bool
    text: str


def asked_of_server(result: LoadResult) -> str:
    """The load that the run was to put on the server."""
    clients = f"{result.clients} client{'s' * (result.clients != 1)}"
    how = f"{result.rate:g} a second" if result.rate else f"{clients}, one enrolment after another"
    return f"{result.server}: {result.sent} enrolments, {how}, by {result.workers} worker{'s' * (result.workers > 1)}"


def name_of(operation: str) -> str:
    """The readable name of an operation."""
    return "the whole enrolment" if operation == ENROLMENT else operation


def times_of(result: LoadResult, operation: str) -> dict[str, str]:
    """The times within which 50, 95 and 99 of 100 operations were done."""
    return {f"p{share * 100:.0f}": lasting_of(result.time(operation, share)) for share in _SHARES}


def findings_of(result: LoadResult) -> Iterator[LoadFinding]:
    """The findings to read before relying on the figures of a run."""
    if result.serials != result.distinct:
        named = ", ".join(result.duplicates[:3])
        yield LoadFinding(
            True, f"{result.serials} certificates have {result.distinct} serial numbers; duplicates: {named} …"
        )
    if result.unanswered:
        text = f"{result.unanswered} requests got no reply: the CA may have issued certificates that no one has"
        yield LoadFinding(False, text)
    if result.tls_checked is False:
        yield LoadFinding(False, "the server's TLS certificate was not checked (--tls-insecure)")
    if result.stopped:
        yield LoadFinding(True, f"stopped: {result.stopped}")
    for sentence in result.invalid:
        yield LoadFinding(True, f"the run is invalid: {sentence}")


def as_page(result: LoadResult) -> str:
    """The page."""
    style = asset("report.css") + asset("fleet.css", "mfp_sim.fleet")
    findings = list(findings_of(result))
    return environment_of("mfp_sim.load").get_template("load.html").render(
        result=result,
        style=Markup(style),  # noqa: S704 - our own files
        policy=policy_for(style),
        version=result.version,
        tone="bad" if result.failed or any(found.bad for found in findings) else "warn" if findings else "good",
        asked=asked_of_server(result),
        lasting=lasting_of(result.seconds),
        findings=findings,
        rows=[(name_of(operation), times_of(result, operation)) for operation in result.operations],
        late=lasting_of(result.late),
        charts=[
            ("Outcomes", "How the enrolments ended.", _outcomes(result)),
            ("Enrolments a second", "Enrolments that began, got a certificate, or failed.",
             _over_time(result)),
            ("Times", "How many of 100 took no longer. The axis is logarithmic.", _times(result)),
        ],
        svg=svg_writer(quoted),
    )  # fmt: skip


def _outcomes(result: LoadResult) -> Drawing:
    order = sorted(result.outcomes.items(), key=lambda pair: (pair[0] != ISSUED, -pair[1]))
    colours = {ISSUED: "good", "pending": "b0"}
    return bars("Enrolments by outcome", [("", [(name, colours.get(name, "bad"), count) for name, count in order])])


def _over_time(result: LoadResult) -> Drawing:
    counted = {second: counts for second, *counts in result.timeline}
    seconds = range(max(counted, default=0) + 1)
    found = [
        Curve(name, [(float(second), float(counted.get(second, (0, 0, 0))[place])) for second in seconds])
        for place, name in enumerate(("began", "issued", "failed"))
    ]
    step = max(1, -(-len(seconds) // 8))
    return curves("Enrolments a second", found, unit="a second", time=_second, ticks=list(seconds)[::step])


def _second(second: float) -> str:
    """A position on the time axis."""
    return lasting_of(second) if second else "0"


def _times(result: LoadResult) -> Drawing:
    found = [
        Curve(name_of(operation), [(float(n), result.time(operation, n / 100) * 1000) for n in range(1, 101)])
        for operation in result.operations
    ]
    return curves("Time of each operation by share", found, unit="ms", time=lambda share: f"{share:.0f} %",
                  logarithmic=True, ticks=[1, 25, 50, 75, 95, 99.9])  # fmt: skip
