"""A drawing as SVG. Text and tooltips are escaped; marks and arrow heads refer to shapes that a page holds once.

It writes text and uses no template, since a report draws some hundred thousand shapes. It does not know what a drawing
means; the style sheet decides the colours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from markupsafe import Markup

from mfp_sim.report.drawing import Drawing, Figure

__all__ = ["SHAPES", "svg_writer"]

SHAPES = {
    "dot": '<symbol id="dot" overflow="visible"><circle r="4.2"/></symbol>',
    "cross": '<symbol id="cross" overflow="visible"><path d="M-6 -6l12 12m0 -12l-12 12"/></symbol>',
    "bolt": '<symbol id="bolt" overflow="visible"><path d="M3 -11l-10 13h6l-3 9l11 -13h-6l4 -9z"/></symbol>',
    "arrow": '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z"/></marker>',
}
"""The shapes that drawings refer to, by id; a page with drawings has each of them."""


def svg_writer(quoted: Callable[[str], str]) -> Callable[[Drawing], Markup]:
    """What writes the drawings of a page; `quoted` escapes text for markup and attributes. Each shape is written once:
    four of five shapes of a report occur again."""
    written = cache(lambda shape: _SHAPE[shape.kind](shape, quoted))
    return lambda drawing: _svg(drawing, written, quoted)


def _svg(drawing: Drawing, written: Callable[[Figure], str], quoted: Callable[[str], str]) -> Markup:
    width, height = round(drawing.width), round(drawing.height)
    head = f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
    shapes = "\n".join(map(written, drawing.shapes))
    return Markup(f'{head} aria-label="{quoted(drawing.label)}">\n{shapes}\n</svg>')  # noqa: S704 - quoted above


def _line(it: Figure, _: Callable[[str], str]) -> str:
    end = ' marker-end="url(#arrow)"' if it.arrow else ""
    return f'<line class="{it.css}" x1="{_px(it.x)}" y1="{_px(it.y)}" x2="{_px(it.x2)}" y2="{_px(it.y2)}"{end}/>'


def _box(it: Figure, quoted: Callable[[str], str]) -> str:
    size = f'width="{_px(it.x2 - it.x)}" height="{_px(it.y2 - it.y)}"'
    return _around("rect", f'class="{it.css}" x="{_px(it.x)}" y="{_px(it.y)}" {size} rx="3"', "", it, quoted)


def _text(it: Figure, quoted: Callable[[str], str]) -> str:
    anchor = f' text-anchor="{it.anchor}"' if it.anchor != "start" else ""
    return _around("text", f'class="{it.css}" x="{_px(it.x)}" y="{_px(it.y)}"{anchor}', quoted(it.text), it, quoted)


def _path(it: Figure, _: Callable[[str], str]) -> str:
    return f'<path class="{it.css}" d="{it.text}"/>'


def _mark(it: Figure, quoted: Callable[[str], str]) -> str:
    return _around("use", f'class="{it.css}" href="#{it.kind}" x="{_px(it.x)}" y="{_px(it.y)}"', "", it, quoted)


def _around(tag: str, attributes: str, text: str, it: Figure, quoted: Callable[[str], str]) -> str:
    inner = f"{text}<title>{quoted(it.title)}</title>" if it.title else text
    return f"<{tag} {attributes}>{inner}</{tag}>" if inner else f"<{tag} {attributes}/>"


@lru_cache(maxsize=4096)  # a page has some hundred thousand coordinates, and nearly all of them recur
def _px(number: float) -> str:
    whole = int(number)
    return str(whole) if whole == number else f"{number:.1f}".removesuffix(".0")


_SHAPE: dict[str, Callable[[Figure, Callable[[str], str]], str]] = {
    "line": _line, "box": _box, "text": _text, "dot": _mark, "cross": _mark, "bolt": _mark,
    "path": _path,
}  # fmt: skip
