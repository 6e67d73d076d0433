"""The report of a fleet as one HTML page: figures, advice and charts, without a script or another file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from markupsafe import Markup

from mfp_sim import __version__
from mfp_sim.fleet.queueing import BIN
from mfp_sim.fleet.report import FleetReport, figures_of
from mfp_sim.fleet.result import DAY, SUCCESSFUL, FleetRun
from mfp_sim.fleet.words import lasting_of
from mfp_sim.report.charts import Curve, Shade, bars, curves
from mfp_sim.report.drawing import Drawing
from mfp_sim.report.sheet import asset, environment_of, policy_for, quoted
from mfp_sim.report.svg import svg_writer
from mfp_sim.shared.simtime import local

__all__ = ["FIGURES", "as_page", "label_of", "said", "values_of"]

_WINDOWS = 3
"""The number of waves to draw: first those during an outage, then the largest."""
_ROUND = (60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0)

FIGURES: Mapping[str, str] = {
    "requests": "requests that ended",
    "failed": "requests that ended in Error",
    "unended": "printers whose first request did not end",
    "lost": "printers without a valid certificate at the end",
    "lacking": "printers without a valid certificate at some time",
    "without_days": "printer-days without a valid certificate",
    "waiting_p50": "waiting for the CA: half of the exchanges",
    "waiting_p95": "waiting for the CA: 95 of 100",
    "waiting_p99": "waiting for the CA: 99 of 100",
    "duration_p99": "from start to certificate: 99 of 100",
    "peak_rate": "highest rate of exchanges a second (over 10 s)",
    "longest_queue": "longest queue",
    "longest_wave": "longest wave",
    "utilisation": "share of time in which the CA works, during waves",
    "wasted_share": "share of the CA's work that is wasted",
    "minted": "certificates issued",
    "exchanges": "exchanges",
}
"""The figures of a run, in order, with their labels."""
_SECONDS = ("waiting_p50", "waiting_p95", "waiting_p99", "duration_p50", "duration_p99", "longest_wave")


class Chart(NamedTuple):
    """A drawing with its heading, and a sentence that explains it."""

    title: str
    says: str
    drawing: Drawing


def label_of(report: FleetReport, label: str) -> str:
    """The label of a variation."""
    return label or ("the plan" if len(report.labels) > 1 else report.plan.name)


def said(name: str, value: float | None) -> str:
    """A figure in readable form; a dash if it has no value."""
    if value is None:
        return "–"
    if name in _SECONDS:
        return lasting_of(value) if value else "0"
    if name in ("utilisation", "wasted_share"):
        return f"{value:.2%}" if 0 < value < 0.01 else f"{value:.0%}"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def as_page(report: FleetReport) -> str:
    """The page."""
    environment = environment_of("mfp_sim.fleet")
    style = asset("report.css") + asset("fleet.css", "mfp_sim.fleet")
    return environment.get_template("fleet.html").render(
        report=report,
        plan=report.plan,
        style=Markup(style),  # noqa: S704 - our own files
        policy=policy_for(style),
        version=__version__,
        tone="bad" if report.unmet else report.advice[0].weight,
        headline=_headline(report),
        begins=local(report.plan.begins, ZoneInfo(report.plan.timezone)),
        labels=[label_of(report, label) for label in report.labels],
        rows=[
            (text, [_spread_of(name, report.of(label)) for label in report.labels]) for name, text in FIGURES.items()
        ],
        outcomes=_outcomes(report),
        classes=[(one, _outcomes_of(report, one.name)) for one in report.plan.printers],
        charts=[*_charts(report)],
        search=report.search,
        said=said,
        svg=svg_writer(quoted),
    )


def _headline(report: FleetReport) -> str:
    runs = report.of("")
    failed, requests = sum(run.failed for run in runs), sum(run.requests for run in runs)
    lost, unended = max(run.lost for run in runs), max(run.unended for run in runs)
    if unended:
        return (
            f"{unended:,} of {report.plan.total:,} printers had not ended their first request at the end of the plan."
        )
    if not failed and not lost:
        return f"All {requests:,} requests of {report.plan.total:,} printers ended with a certificate."
    end = f"{lost:,} printers have no valid certificate" if lost else "every printer has a valid certificate"
    return f"{failed:,} of {requests:,} requests ended in Error; {end} at the end."


def _spread_of(name: str, runs: Sequence[FleetRun]) -> str:
    """A figure over the runs of several seeds: the median and the range."""
    values = values_of(name, runs)
    middle = said(name, values[len(values) // 2] if values else None)
    low, high = (said(name, values[0]), said(name, values[-1])) if values else (middle, middle)
    return middle if low == high else f"{middle} ({low} to {high})"


def values_of(name: str, runs: Sequence[FleetRun]) -> list[float]:
    """The values of a figure in order, of the runs in which it has one."""
    return sorted(value for run in runs if (value := figures_of(run)[name]) is not None)


def _outcomes_of(report: FleetReport, name: str) -> dict[str, int]:
    """The requests of a class by outcome, over all seeds of the plan without variations."""
    counted: Counter[str] = Counter()
    for run in report.of(""):
        counted.update(run.outcomes.get(name, {}))
    return dict(sorted(counted.items()))


def _outcomes(report: FleetReport) -> Drawing:
    rows = []
    for label in report.labels:
        counted = sum((run.by_outcome for run in report.of(label)[1:]), report.of(label)[0].by_outcome)
        order = sorted(counted.items(), key=lambda pair: (pair[0] != SUCCESSFUL, -pair[1]))
        rows.append(
            (label_of(report, label), [(name, "good" if name == SUCCESSFUL else f"bad b{n % 3}", count)
                                       for n, (name, count) in enumerate(order)])
        )  # fmt: skip
    return bars("Requests by outcome", rows)


# --- over time --------------------------------------------------------------------------------------------


def _charts(report: FleetReport) -> Iterator[Chart]:
    plan, zone = report.plan, ZoneInfo(report.plan.timezone)
    runs = [(label_of(report, label), report.of(label)[0]) for label in report.labels]

    def clock(seconds: float) -> str:
        return f"{local(plan.begins + timedelta(seconds=seconds), zone):%H:%M}"

    def day(seconds: float) -> str:
        return f"{local(plan.begins + timedelta(seconds=seconds), zone):%d %b}"

    shades = [
        Shade(at := plan.seconds_at(outage.begins), at + outage.lasts, f"outage: {outage.looks}")
        for outage in plan.outages
    ]
    for begins, ends, first in _windows(report, shades):
        when = f"{local(plan.begins + timedelta(seconds=first), zone):%Y-%m-%d}"
        ticks = _ticks(plan.begins.timestamp() + _zone_shift(report, begins), begins, ends)
        rates = [Curve(name, _line(run.asked, begins, ends, 1 / BIN)) for name, run in runs]
        yield Chart(
            f"Exchanges a second, {when}",
            "How many printers send requests. The axis is logarithmic: a herd is a wall, a spread is a plateau.",
            curves(f"Exchanges a second on {when}", rates, unit="exchanges a second", time=clock, shades=shades,
                   logarithmic=True, ticks=ticks),
        )  # fmt: skip
        if any(run.queue for _, run in runs):
            queues = [Curve(name, _line(run.queue, begins, ends, 1)) for name, run in runs]
            yield Chart(
                f"Waiting requests, {when}",
                "The longest queue at the CA in each ten seconds.",
                curves(f"Waiting requests on {when}", queues, unit="requests", time=clock, shades=shades, ticks=ticks),
            )
    end = plan.days * DAY
    shares = [Curve(name, _share(run, end), stepped=True) for name, run in runs]
    ticks = [n * end / 6 for n in range(7)]
    yield Chart(
        "Printers with a valid certificate",
        "In a dip, printers have no valid certificate.",
        curves("Share of printers with a valid certificate", shares, unit="% of printers",
               time=day if end > 2 * DAY else clock, shades=shades if end <= 120 * DAY else (), ticks=ticks,
               highest=100.0),
    )  # fmt: skip
    if report.search:
        yield Chart(
            "How large the CA has to be",
            "Requests in Error by number of workers. The smallest sufficient CA is where the curve reaches 0.",
            curves("Requests in Error by number of workers",
                   [Curve("in Error", [(float(run.workers), float(run.failed)) for run in report.search])],
                   unit="requests in Error", time=lambda workers: f"{workers:.0f}",
                   ticks=[float(run.workers) for run in report.search]),
        )  # fmt: skip


def _zone_shift(report: FleetReport, seconds: float) -> float:
    """The offset from UTC (seconds) of the plan's zone at that time."""
    shift = local(report.plan.begins + timedelta(seconds=seconds), ZoneInfo(report.plan.timezone)).utcoffset()
    return shift.total_seconds() if shift is not None else 0.0


def _windows(report: FleetReport, shades: Sequence[Shade]) -> list[tuple[float, float, float]]:
    """The spans to draw in detail, in order of time: start, end, and the point where the wave or outage begins.

    Waves during an outage are chosen first, then the largest.
    """
    waves = report.of("")[0].waves
    met = [wave for wave in waves if any(wave.begins < shade.ends and shade.begins < wave.ends for shade in shades)]
    others = sorted((wave for wave in waves if wave not in met), key=lambda wave: -wave.peak)
    chosen = sorted([*met, *others][: max(1, min(_WINDOWS, len(met)))], key=lambda wave: wave.begins)
    found = []
    for wave in chosen:
        beside = [one for run in report.runs for one in run.waves if one.begins < wave.ends and wave.begins < one.ends]
        begins, ends = min(one.begins for one in beside), max(one.ends for one in beside)
        met_by = [shade for shade in shades if shade.begins < ends and begins < shade.ends]
        begins, ends = min([begins, *(s.begins for s in met_by)]), max([ends, *(s.ends for s in met_by)])
        room = max((ends - begins) * 0.03, 3 * BIN)
        found.append((begins - room, min(ends + room, begins + 7 * DAY), begins))
    return found


def _line(counted: Mapping[int, int], begins: float, ends: float, factor: float) -> list[tuple[float, float]]:
    """The counts of all bins of a span, including empty ones."""
    return [(n * BIN, counted.get(n, 0) * factor) for n in range(int(begins // BIN), int(ends // BIN) + 1)]


def _share(run: FleetRun, end: float) -> list[tuple[float, float]]:
    """The percentage of printers with a certificate, at each change."""
    held, found = 0, [(0.0, 0.0)]
    for number in sorted(run.holders):
        held += run.holders[number]
        if number * BIN <= end:
            found.append((number * BIN, 100.0 * held / run.printers))
    return [*found, (end, found[-1][1])]


def _ticks(epoch: float, begins: float, ends: float) -> list[float]:
    """Round times of the local clock within a span, at most eight. ``epoch`` is the instant of second 0."""
    step = next((one for one in _ROUND if (ends - begins) / one <= 8), _ROUND[-1])
    first = -(-(epoch + begins) // step) * step - epoch
    return [first + n * step for n in range(int((ends - first) // step) + 1)]
