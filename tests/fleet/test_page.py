"""The page of a fleet: nothing from elsewhere, every text quoted, and charts that show what they say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

from fleet_plans import few

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.page import as_page
from mfp_sim.fleet.plan import FleetPlan, Variation, varied
from mfp_sim.fleet.report import FleetReport
from mfp_sim.report.charts import Curve, Shade, bars, curves


def _report(plan: FleetPlan, *variations: Variation) -> FleetReport:
    plan = replace(plan, compare=variations)
    runs = [run_fleet(plan), *(replace(run_fleet(varied(plan, one)), label=one.label) for one in variations)]
    return FleetReport(1, plan, tuple(runs))


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _read(page: str) -> _Texts:
    texts = _Texts()
    texts.feed(page)
    return texts


def test_nothing_comes_from_elsewhere() -> None:
    links = _read(as_page(_report(few()))).links
    assert set(links) <= {"#charts", "data:,"}


def test_texts_of_a_plan_are_quoted() -> None:
    page = as_page(_report(replace(few(), why="<script>alert(1)</script> & more")))
    assert "<script" not in page
    assert "<script>alert(1)</script> & more" in _read(page).texts


def test_a_chart_is_of_the_day_on_which_something_begins() -> None:
    """Also where that is at midnight, and the chart begins a little before."""
    plan = few(50)
    texts = _read(
        as_page(_report(replace(plan, printers=(replace(plan.printers[0], start=datetime(2026, 3, 2)),))))
    ).texts
    assert [text for text in texts if text.startswith("Exchanges a second, ")] == ["Exchanges a second, 2026-03-02"]


def test_the_page_shows_advice_charts_and_figures_of_each_variation() -> None:
    plan = few(50, adjust="false", outages="{from: 2026-03-02 09:00, for: 2h, looks: silent}")
    page = as_page(_report(plan, Variation(adjust=True)))
    texts = " ".join(_read(page).texts)
    assert "is longer than class offices can bridge" in texts
    assert "outage: silent" in texts
    assert "adjust: true" in texts
    assert page.count("<svg") >= 3


def test_runs_of_several_seeds_show_the_middle_and_the_range() -> None:
    one = _report(few(50, network=", loss: 20%"))
    report = replace(one, runs=(*one.runs, *(run_fleet(one.plan, seed) for seed in (5, 6))))
    assert "Over all seeds: the middle one" in as_page(report)


def test_a_peak_of_one_bin_survives_however_many_bins_there_are() -> None:
    points = [(float(n), 1000.0 if n == 70_003 else 1.0) for n in range(100_000)]
    drawing = curves("x", [Curve("rate", points)], unit="1/s", time=str)
    (path,) = [shape for shape in drawing.shapes if shape.kind == "path"]
    heights = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", path.text)]
    assert len(heights) < 4000
    assert min(heights) == 30.0  # the top of the chart


def test_a_logarithmic_axis_keeps_zero_at_the_bottom() -> None:
    drawing = curves("x", [Curve("a", [(0, 0), (1, 5), (2, 5000)])], unit="n", time=str, logarithmic=True)
    (path,) = [shape for shape in drawing.shapes if shape.kind == "path"]
    heights = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", path.text)]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) >= 2


def test_a_shade_is_cut_to_the_chart() -> None:
    drawing = curves("x", [Curve("a", [(0, 1), (10, 1)])], unit="n", time=str, shades=[Shade(-5, 50, "outage")])
    (shade,) = [shape for shape in drawing.shapes if shape.css == "shade"]
    assert 60 <= shade.x < shade.x2 <= drawing.width


def test_nothing_at_all_is_drawn_too() -> None:
    assert curves("x", [Curve("a", [])], unit="n", time=str).shapes
    assert bars("x", [("row", [])]).shapes
