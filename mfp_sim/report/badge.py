"""The grade and the date of a conformance run as a small SVG for a README. It refers to no other font or file."""

from __future__ import annotations

from mfp_sim.report.model import SECURITY, RunReport

__all__ = ["as_badge"]

_COLOURS = {"A": "#16703b", "B": "#4a6b0a", "C": "#8a5a00", "D": "#a04000", "E": "#b3261e", "F": "#8c1d18"}
_PLAIN = "#566273"
_LETTER, _MARGIN, _HEIGHT = 7, 10, 20
"""In pixels: the width of a letter at size 11, the space beside the text, and the height of the badge."""


def as_badge(report: RunReport) -> str:
    """The badge. A run without a grade is shown in grey. Security failures are named, in red, for every grade."""
    insecure = any(entry.name == SECURITY and entry.verdict == "fail" for entry in report.conclusions)
    letter = report.grade.letter if report.grade is not None else ""
    begun = report.provenance.begun[:10]
    day = begun if begun.replace("-", "").isdigit() else ""
    name, value = "SCEP, RFC 8894", " ".join(filter(None, (letter or "no grade", "insecure" if insecure else "", day)))
    first, second = (len(text) * _LETTER + _MARGIN for text in (name, value))
    colour = _COLOURS["F"] if insecure else _COLOURS.get(letter, _PLAIN)
    texts = "".join(
        f'<text x="{x:g}" y="14" textLength="{len(text) * _LETTER}" lengthAdjust="spacingAndGlyphs">{text}</text>'
        for x, text in ((first / 2, name), (first + second / 2, value))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="{_HEIGHT}" role="img" '
        f'aria-label="{name}: {value}"><title>{name}: {value}</title>'
        f'<rect width="{first + second}" height="{_HEIGHT}" rx="3" fill="#2b3440"/>'
        f'<path d="M{first} 0h{second - 3}a3 3 0 0 1 3 3v{_HEIGHT - 6}a3 3 0 0 1-3 3h-{second - 3}z" fill="{colour}"/>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g>'
        "</svg>\n"
    )
