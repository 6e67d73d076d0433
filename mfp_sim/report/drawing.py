"""The two drawings of a story, as shapes with coordinates: the sequence diagram and the time line.

Owns the geometry: pixels, widths of letters, what is compressed and what is left out. `svg` writes the shapes, and the
style sheet colours them by class. A gap that is not drawn to scale is marked as a gap, with its length in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Literal, NamedTuple

from mfp_sim.report.labels import Say
from mfp_sim.report.model import CatalogueEntry, MintedCertificate
from mfp_sim.report.story import StoryRow, instant, off_spans, stamp

__all__ = ["Drawing", "Figure", "lasting", "sequence", "timeline"]

Anchor = Literal["start", "middle", "end"]
_LETTER = 6.3
"""The mean width of a letter in the drawings' font, in pixels."""
_ROWS = 140
"""The maximum number of rows in a sequence diagram: half of them are the first rows, half the last."""
_GAP = timedelta(seconds=60)
"""The shortest idle time that a sequence diagram shows as a gap."""


class Figure(NamedTuple):
    """A line, a box, or a text from `x`, `y`; `x2`, `y2` are the other end or the opposite corner. The `text` of a path
    holds its points."""

    kind: Literal["line", "box", "text", "cross", "bolt", "dot", "path"]
    css: str
    x: float
    y: float
    x2: float = 0
    y2: float = 0
    text: str = ""
    title: str = ""
    anchor: Anchor = "start"
    arrow: bool = False


@dataclass
class Drawing:
    """Shapes on a sheet of `width` by `height` pixels; `label` says in words what the drawing shows."""

    width: float
    height: float
    label: str
    shapes: list[Figure] = field(default_factory=list)

    def line(self, css: str, x: float, y: float, x2: float, y2: float, *, arrow: bool = False) -> None:
        """A straight line between two points, in pixels, with or without an arrow head at the second point."""
        self.shapes.append(Figure("line", css, x, y, x2, y2, arrow=arrow))

    def path(self, css: str, points: Iterable[tuple[float, float]]) -> None:
        """A line through points."""
        course = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.shapes.append(Figure("path", css, 0, 0, text=f"M{course}"))

    def box(self, css: str, x: float, y: float, x2: float, y2: float, title: str = "") -> None:
        """A rectangle with two opposite corners, in any order; ``title`` is its tooltip."""
        self.shapes.append(Figure("box", css, min(x, x2), min(y, y2), max(x, x2), max(y, y2), title=title))

    def mark(self, kind: Literal["cross", "bolt", "dot"], css: str, x: float, y: float, title: str) -> None:
        """A small sign around a point; ``title`` is its tooltip."""
        self.shapes.append(Figure(kind, css, x, y, title=title))

    def text(
        self,
        css: str,
        x: float,
        y: float,
        text: str,
        *,
        room: float,
        anchor: Anchor = "start",
        title: str = "",
    ) -> None:
        """A text, cut if it is longer than `room` pixels. Its tooltip is `title`, or the whole text if it is cut."""
        most = max(int(room / _LETTER), 4)
        cut = text if len(text) <= most else text[: most - 1] + "…"
        self.shapes.append(
            Figure("text", css, x, y, text=cut, title=title or (text if cut != text else ""), anchor=anchor)
        )


def lasting(span: timedelta, say: Say) -> str:
    """A duration in at most two units."""
    seconds = round(span.total_seconds())
    parts = []
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {say(unit)}")
    return " ".join(parts[:2]) or f"0 {say('seconds')}"


# --- sequence diagram -------------------------------------------------------------------------------------

_X = {"clock": 90.0, "printer": 300.0, "network": 520.0, "ca": 740.0}
_WIDTH = 900.0
_HEAD, _STEP, _EXCHANGE, _MARK, _GAP_HEIGHT = 44.0, 24.0, 50.0, 22.0, 26.0


def sequence(
    rows: Sequence[StoryRow], zone: tzinfo, say: Say, server: str, catalogue: Mapping[str, CatalogueEntry]
) -> Drawing | None:
    """The sequence diagram: lanes side by side, time downwards, an exchange as two arrows. A fault of the CA is
    where it acted, with its sentence from the catalogue. None if nothing happened."""
    if not rows:
        return None
    whole = Drawing(_WIDTH, 0, _told(rows, say))
    left_out = len(rows) - _ROWS
    y, before = _HEAD, rows[0].at
    for number, row in enumerate(rows):
        if left_out > 0 and _ROWS // 2 <= number < _ROWS // 2 + left_out:
            if number == _ROWS // 2:
                y = _break(whole, y, f"{left_out} {say('rows-left-out')}")
            before = row.at
            continue
        if row.at - before >= _GAP:
            y = _break(whole, y, lasting(row.at - before, say))
        y = _draw_row(whole, row, y, zone, say, catalogue)
        before = max(row.at, row.ended or row.at) if row.kind == "exchange" else row.at
    whole.height = y + 12
    lanes = []
    for lane, x in _X.items():
        name = server if lane == "ca" else say(f"lane-{lane}")
        lanes.append(Figure("line", "lane", x, _HEAD - 12, x, whole.height))
        lanes.append(Figure("box", "head", x - 62, 6, x + 62, _HEAD - 12))
        lanes.append(Figure("text", "name", x, 24, text=name[:18], anchor="middle"))
    whole.shapes[:0] = lanes
    return whole


def _told(rows: Sequence[StoryRow], say: Say) -> str:
    exchanges = [row for row in rows if row.kind == "exchange"]
    lost = sum(row.lost for row in exchanges)
    return f"{len(exchanges)} {say('exchanges')}, {lost} {say('lost')}, {lasting(rows[-1].at - rows[0].at, say)}"


def _break(whole: Drawing, y: float, text: str) -> float:
    """A band across the lanes for time in which nothing happens, with its length."""
    whole.box("gap", 8, y + 4, _WIDTH - 8, y + _GAP_HEIGHT - 4)
    whole.text("gap-text", _WIDTH / 2, y + _GAP_HEIGHT / 2 + 4, f"⋮  {text}  ⋮", room=400, anchor="middle")
    return y + _GAP_HEIGHT


def _clock(at: datetime, zone: tzinfo, *, date: bool = False) -> str:
    return stamp(at, zone)[0 if date else 11 :]


def _draw_row(
    whole: Drawing, row: StoryRow, y: float, zone: tzinfo, say: Say, catalogue: Mapping[str, CatalogueEntry]
) -> float:
    if row.kind == "step":
        whole.box("step", 8, y + 2, _WIDTH - 8, y + _STEP - 2)
        whole.text("step-text", 16, y + 16, row.text, room=_WIDTH - 190)
        whole.text("time", _WIDTH - 14, y + 16, _clock(row.at, zone, date=True), room=150, anchor="end")
        return y + _STEP
    if row.kind == "mark":
        x = _X[row.lane]
        text = row.named(lambda at: _clock(at, zone, date=True))
        whole.mark("dot", f"mark {row.tone}", x, y + 11, "")
        whole.text(f"mark-text {row.tone}", x + 10, y + 15, text, room=_WIDTH - x - 20)
        return y + _MARK
    left, right, middle = _X["printer"], _X["ca"], _X["network"]
    struck = row.lost and not row.sent
    whole.text("time", 14, y + 20, _clock(row.at, zone), room=70)
    whole.text("message", left + 8, y + 16, row.named(str), room=200)
    whole.line("arrow", left, y + 21, middle if struck else right - 2, y + 21, arrow=True)
    below = y + 42
    if row.ended is not None and row.ended != row.at:
        whole.text("time", 14, below, f"+{lasting(row.ended - row.at, say)}", room=76)
    back = y + 32 if row.lost else below
    if row.lost:
        at = middle if struck else (middle + right) / 2
        if not struck:
            whole.line("arrow lost", right, back, at + 8, back)
        whole.mark("cross", "lost", at, y + 21 if struck else back, row.reply)
        whole.text("message bad", left + 8, below, row.reply, room=right - left - 10)
    else:
        near = right - 26 if row.faults else right - 8
        whole.text(f"message {row.tone}", near, below - 5, row.reply, room=near - left - 12, anchor="end")
        whole.line(f"arrow {row.tone}", right, below, left + 2, below, arrow=True)
    if row.faults:
        _draw_faults(whole, row.faults, back, lost=row.lost, catalogue=catalogue)
    return y + _EXCHANGE + (6 if row.lost else 4)


_OF_THE_CA, _OF_THE_NETWORK = "decide", "delivery"
"""The layers of the faults that act in the CA's decision, and on the way of the reply; others act on the reply."""


def _draw_faults(
    whole: Drawing, faults: Sequence[str], y: float, *, lost: bool, catalogue: Mapping[str, CatalogueEntry]
) -> None:
    """A mark where each kind of fault acted on the reply, which leaves the CA at `y`; their slugs are beside the CA."""
    right, middle = _X["ca"], _X["network"]
    places = {_OF_THE_CA: (right, y - 10), _OF_THE_NETWORK: (right - 40 if lost else middle, y)}
    marks: dict[tuple[float, float], list[str]] = {}
    for slug in faults:
        layer = catalogue[slug].level if slug in catalogue else ""
        marks.setdefault(places.get(layer, (right - 12, y)), []).append(_said(slug, catalogue))
    for place, said in marks.items():
        whole.mark("bolt", "fault", *place, "\n".join(said))
    names, told = ", ".join(faults), "\n".join(_said(slug, catalogue) for slug in faults)
    whole.text("fault-text", right + 12, y + 4, names, room=_WIDTH - right - 14, title=told)


def _said(slug: str, catalogue: Mapping[str, CatalogueEntry]) -> str:
    return f"{slug}: {catalogue[slug].text}" if slug in catalogue else slug


# --- time line --------------------------------------------------------------------------------------------

_LEFT, _RIGHT = 150.0, 40.0
_BESIDE, _MOST_BESIDE = 5.0, 10
"""By how much events of the same instant are shifted, and how many times at most."""
_NEAR, _APART, _BREAK = 16.0, 30.0, 74.0
_IDLE = timedelta(minutes=5)
"""The shortest idle time that the time line compresses, with a visible mark."""
_BARS = 16
_MOMENTS = 90
"""The maximum number of instants on a time line: half of them are the first instants, half the last."""
_CUT_BREAK = 176.0
"""The width of the break that replaces the instants left out."""


class _Axis:
    """Where an instant is on the time line. Short spans keep a visible distance; long ones are breaks of fixed width.

    `cut` is the instant after which others are left out, with words that say so: that break is not idle time.
    """

    def __init__(
        self, instants: Sequence[datetime], wide: Mapping[datetime, float], say: Say, cut: tuple[datetime, str] | None
    ) -> None:
        self.points: list[tuple[datetime, float]] = []
        self.breaks: list[tuple[float, float, str, str]] = []
        x = _LEFT + 14
        for at in sorted(set(instants)):
            if self.points:
                apart = at - self.points[-1][0]
                x += wide.get(self.points[-1][0], 0.0)
                if cut is not None and self.points[-1][0] == cut[0]:
                    self.breaks.append((x + 10, x + _CUT_BREAK - 10, cut[1], "break left-out"))
                    x += _CUT_BREAK
                elif apart >= _IDLE:
                    self.breaks.append((x + 10, x + _BREAK - 10, lasting(apart, say), "break"))
                    x += _BREAK
                else:
                    x += _NEAR if apart < timedelta(seconds=1) else _APART
            self.points.append((at, x))
        self._places = dict(self.points)
        self.end = x + wide.get(self.points[-1][0], 0.0) + 34

    def place(self, at: datetime) -> float:
        """The x of any instant; an instant before the first or after the last is at the edge."""
        if (known := self._places.get(at)) is not None:
            return known
        if at < self.points[0][0]:
            return self.points[0][1] - 10
        for (first, x), (second, x2) in zip(self.points, self.points[1:], strict=False):
            if at <= second:
                return x + (x2 - x) * ((at - first) / (second - first))
        return self.end


def timeline(
    rows: Sequence[StoryRow], minted: Sequence[MintedCertificate], zone: tzinfo, say: Say, server: str
) -> Drawing | None:
    """The time line: lanes below each other, time to the right. None if nothing happened.

    Events of the same instant are drawn in order with small shifts, so three requests in one second are seen as three.
    """
    acts = [row for row in rows if row.kind != "step"]
    if not acts:
        return None
    instants, left_out = _moments(rows)
    stacks = _Stacks(acts, set(instants))
    cut = (instants[_MOMENTS // 2 - 1], f"{left_out} {say('moments-left-out')}") if left_out else None
    axis = _Axis(instants, stacks.wide, say, cut)
    bars = [bar for entry in minted if (bar := _validity(entry)) is not None][:_BARS]
    lanes = ("clock", "printer", "network", "ca")
    tops = {lane: 52.0 + 46.0 * number for number, lane in enumerate(lanes)}
    below = 52.0 + 46.0 * len(lanes)
    width = axis.end + _RIGHT
    whole = Drawing(width, below + (22.0 * len(bars) + 16 if bars else 6), _told(rows, say))
    for lane in lanes:
        y = tops[lane]
        whole.box("track", _LEFT, y, width - 8, y + 36)
        whole.text("name", 10, y + 23, server if lane == "ca" else say(f"lane-{lane}"), room=_LEFT - 14)
    _draw_axis(whole, axis, zone, below)
    for since, until in off_spans(rows):
        whole.box("off", axis.place(since), tops["printer"] + 4, max(axis.place(until), axis.place(since) + 6),
                  tops["printer"] + 32, f"{say('off')}: {lasting(until - since, say)}")  # fmt: skip
    for x, row in stacks.placed(axis):
        _draw_act(whole, row, x, tops, zone)
    _draw_bars(whole, bars, axis, below, zone, say)
    if len(minted) > len(bars):
        whole.text("more", 10, whole.height - 4, f"+{len(minted) - len(bars)}", room=80)
    return whole


def _moments(rows: Sequence[StoryRow]) -> tuple[list[datetime], int]:
    """The instants that the axis shows, and how many it leaves out. Of a long story it shows the first and the last."""
    found = sorted({row.at for row in rows} | {row.ended for row in rows if row.ended and row.kind == "exchange"})
    left_out = max(len(found) - _MOMENTS, 0)
    return ([*found[: _MOMENTS // 2], *found[-_MOMENTS // 2 :]] if left_out else found), left_out


class _Stacks:
    """The events at each instant shown; events of the same instant on the same lane are placed beside each other."""

    def __init__(self, acts: Sequence[StoryRow], shown: set[datetime]) -> None:
        self._acts: list[tuple[StoryRow, float]] = []
        self.wide: dict[datetime, float] = {}
        count: Counter[tuple[datetime, str]] = Counter()
        for row in acts:
            if row.at in shown:
                shift = _BESIDE * min(count[row.at, row.lane], _MOST_BESIDE)
                count[row.at, row.lane] += 1
                self._acts.append((row, shift))
                self.wide[row.at] = max(self.wide.get(row.at, 0.0), shift)

    def placed(self, axis: _Axis) -> list[tuple[float, StoryRow]]:
        """Each with its x."""
        return [(axis.place(row.at) + shift, row) for row, shift in self._acts]


def _draw_axis(whole: Drawing, axis: _Axis, zone: tzinfo, below: float) -> None:
    """Draw dates and times where there is room, and every break with its length or with what is left out."""
    for start, end, words, css in axis.breaks:
        whole.box(css, start, 46, end, below - 4, words)
        whole.text("break-text", (start + end) / 2, 40, words, room=end - start + 20, anchor="middle")
    free, day = 0.0, ""
    for at, x in axis.points:
        if x < free:
            continue
        date, _, time = stamp(at, zone).partition(" ")
        whole.text("tick", x, 26, time.removesuffix(":00"), room=60)
        if date != day:
            whole.text("day", x, 13, date, room=80)
            day = date
        whole.line("tick", x, 44, x, below - 4)
        free = x + 62


def _draw_act(whole: Drawing, row: StoryRow, x: float, tops: dict[str, float], zone: tzinfo) -> None:
    def clock(at: datetime) -> str:
        return _clock(at, zone, date=True)

    text = f"{clock(row.at)} {row.named(clock)} {row.reply}".rstrip()
    if row.kind == "mark":
        whole.mark("dot", f"mark {row.tone}", x, tops[row.lane] + 18, text)
        return
    network = tops["network"]
    whole.line(f"request {row.tone}", x, tops["printer"] + 32, x, network + 34)
    whole.box(f"request {row.tone}", x - 2, network + 6, x + 2, network + 30, text)
    if row.lost:
        whole.mark("cross", "lost", x, network + 18, text)
    else:
        whole.line(f"request {row.tone}", x, network + 30, x, tops["ca"] + 18)
        whole.mark("dot", f"mark {row.tone}", x, tops["ca"] + 18, text)
    if row.faults:
        whole.mark("bolt", "fault", x, tops["ca"] + 18, f"{', '.join(row.faults)}: {text}")


@dataclass(frozen=True)
class _Bar:
    begin: datetime
    end: datetime
    entry: MintedCertificate


def _validity(entry: MintedCertificate) -> _Bar | None:
    begin, end = instant(entry.not_before), instant(entry.not_after)
    return None if begin is None or end is None or end < begin else _Bar(begin, end, entry)


def _draw_bars(whole: Drawing, bars: Sequence[_Bar], axis: _Axis, below: float, zone: tzinfo, say: Say) -> None:
    """Draw a bar for each certificate, from notBefore to notAfter; an open end continues beyond the sheet."""
    last = axis.points[-1][0]
    for number, bar in enumerate(bars):
        y = below + 22.0 * number
        left, right = axis.place(bar.begin), axis.place(bar.end)
        beyond = bar.end > last
        edge = whole.width - 12 if beyond else max(right, left + 6)
        until = f"{say('valid-until')} {stamp(bar.end, zone)[:16]}"
        fate = say(f"fate-{bar.entry.fate}")
        whole.box(f"bar {bar.entry.fate}", left, y + 3, edge, y + 17, f"{bar.entry.subject}, {fate}, {until}")
        if beyond:
            whole.line(f"bar-on {bar.entry.fate}", edge - 4, y + 10, edge + 6, y + 10, arrow=True)
        whole.text("bar-name", 10, y + 14, f"…{bar.entry.serial[-6:]} {fate}", room=_LEFT - 16)
        whole.text("bar-text", left + 6, y + 14, until, room=max(edge - left - 10, 30))
