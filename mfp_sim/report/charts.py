"""Charts as drawings: curves over time with shaded spans, and bars of shares. The style sheet decides the colours.

A curve is drawn with the lowest and the highest value of each column of pixels, so no peak is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from mfp_sim.report.drawing import Drawing

__all__ = ["Curve", "Shade", "bars", "curves"]

_WIDTH, _HEIGHT = 900.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 66.0, 26.0, 30.0, 34.0


@dataclass(frozen=True)
class Curve:
    """A named curve with its points in order. In a `stepped` curve, a value holds until the next point."""

    name: str
    points: Sequence[tuple[float, float]]
    stepped: bool = False


@dataclass(frozen=True)
class Shade:
    """A shaded span of the horizontal axis, and what the shading means."""

    begins: float
    ends: float
    name: str


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    begins: float
    ends: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """The position of a value, in pixels."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = log10(low), log10(high), log10(value)
        return self.begins + (self.ends - self.begins) * (value - low) / ((high - low) or 1.0)

    def ticks(self) -> list[float]:
        """Round values, about five of them."""
        if self.logarithmic:
            powers = range(round(log10(self.low)), round(log10(self.high)) + 1)
            every = max(1, ceil(len(powers) / 6))
            return [10.0**power for power in powers if power % every == 0]
        step = _round_step((self.high - self.low) / 4)
        return [n * step for n in range(ceil(self.low / step), floor(self.high / step + 1e-9) + 1)]


def _round_step(rough: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is at least `rough`."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def curves(
    label: str,
    found: Sequence[Curve],
    *,
    unit: str,
    time: Callable[[float], str],
    shades: Sequence[Shade] = (),
    logarithmic: bool = False,
    ticks: Sequence[float] = (),
    highest: float | None = None,
) -> Drawing:
    """Curves over one axis.

    Args:
        label: what the chart shows, in words.
        found: the curves; the first is drawn on top.
        unit: the unit of the values.
        time: gives the name of a place on the horizontal axis.
        shades: spans behind the curves.
        logarithmic: whether the vertical axis is logarithmic; values below its lowest one are drawn at the bottom.
        ticks: the places on the horizontal axis that have a name.
        highest: the end of the vertical axis, if it is not the highest value.
    """
    drawing = Drawing(_WIDTH, _HEIGHT, label)
    xs = [x for curve in found for x, _ in curve.points]
    across = _Axis(min(xs, default=0.0), max(xs, default=1.0), _LEFT, _WIDTH - _RIGHT)
    up = _vertical([y for curve in found for _, y in curve.points], logarithmic, highest)
    for shade in shades:
        begins, ends = (max(across.low, min(across.high, end)) for end in (shade.begins, shade.ends))
        if begins < ends:
            drawing.box("shade", across.place(begins), _TOP, across.place(ends), _HEIGHT - _BOTTOM, title=shade.name)
            drawing.text("tick", across.place(begins) + 4, _TOP + 13, shade.name, room=400)
    for value in up.ticks():
        y = up.place(value)
        drawing.line("grid", _LEFT, y, _WIDTH - _RIGHT, y)
        drawing.text("tick", _LEFT - 6, y + 4, f"{value:,.12g}", room=60, anchor="end")
    for place in ticks:
        x = across.place(place)
        drawing.line("grid", x, _HEIGHT - _BOTTOM, x, _HEIGHT - _BOTTOM + 4)
        drawing.text("tick", x, _HEIGHT - _BOTTOM + 18, time(place), room=120, anchor="middle")
    drawing.text("tick", 4, 14, unit, room=200)
    x = _LEFT + 130
    for number, curve in reversed(list(enumerate(found))):
        drawing.path(f"curve c{number % 4}", _columns(curve, across, up))
    for number, curve in enumerate(found):
        drawing.line(f"curve c{number % 4}", x, 10, x + 22, 10)
        drawing.text("key", x + 27, 14, curve.name, room=220)
        x += 40 + 6.6 * min(len(curve.name), 34)
    return drawing


def _vertical(values: Sequence[float], logarithmic: bool, highest: float | None) -> _Axis:
    top = max(values, default=1.0) if highest is None else highest
    if logarithmic:
        lowest = min((value for value in values if value > 0), default=1.0)
        low, high = 10.0 ** floor(log10(lowest)), 10.0 ** ceil(log10(max(top, lowest * 1.001)))
        return _Axis(low, max(high, low * 10), _HEIGHT - _BOTTOM, _TOP, logarithmic=True)
    step = _round_step(top / 4) if top > 0 else 1.0
    return _Axis(0.0, max(step, ceil(top / step - 1e-9) * step), _HEIGHT - _BOTTOM, _TOP)


def _columns(curve: Curve, across: _Axis, up: _Axis) -> list[tuple[float, float]]:
    """The points in pixels. Of several values in one column it keeps the lowest, the highest and the last; a stepped
    curve also repeats the previous value."""
    columns: dict[int, list[float]] = {}
    placed: list[tuple[float, float]] = []
    for x, y in curve.points:
        columns.setdefault(round(across.place(x)), []).append(up.place(y))
    before: float | None = None
    for x, ys in columns.items():
        if curve.stepped and before is not None:
            placed.append((x, before))
        placed += [(x, ys[0])] if len(ys) == 1 else [(x, min(ys)), (x, max(ys))]
        before = ys[-1]
        if len(ys) > 1:
            placed.append((x, before))
    return placed


def bars(label: str, rows: Sequence[tuple[str, Sequence[tuple[str, str, int]]]]) -> Drawing:
    """One bar per row, divided into shares.

    Args:
        label: what the chart shows, in words.
        rows: the name of each row, with the name, the CSS class and the count of each of its parts.
    """
    drawing = Drawing(_WIDTH, 12 + 44.0 * len(rows), label)
    for number, (name, parts) in enumerate(rows):
        y, x, total = 8 + 44.0 * number, 0.0, sum(count for _, _, count in parts) or 1
        drawing.text("key", 0, y + 11, name, room=_WIDTH)
        for part, css, count in parts:
            width = _WIDTH * count / total
            title = f"{part}: {count:,} ({count / total:.1%})"
            drawing.box(f"part {css}", x, y + 16, x + width, y + 34, title=title)
            if width > 70:
                drawing.text("on", x + 6, y + 30, title, room=width - 10)
            x += width
    return drawing
