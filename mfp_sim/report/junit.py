"""JUnit XML: a test suite per scenario, a test case per step. What a server said is hostile text and is escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from mfp_sim.report.model import RunReport, ScenarioReport

__all__ = ["as_junit"]

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: RunReport) -> str:
    """The report as an XML document."""
    root = ET.Element("testsuites", name="mfp-sim")
    for scenario in report.scenarios:
        root.append(_suite(scenario))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(scenario: ScenarioReport) -> ET.Element:
    cases = [(f"{step.number}: {step.text}", step.number, step.place) for step in scenario.steps]
    if scenario.skipped is not None:
        cases = [("scenario", 0, scenario.file)]
    failed = {failure.step for failure in scenario.failures}
    suite = ET.Element(
        "testsuite",
        name=_clean(scenario.name),
        tests=str(len(cases)),
        failures=str(len(failed)),
        errors="0",
        skipped="1" if scenario.skipped is not None else "0",
        time=f"{scenario.real_seconds:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in (("seed", scenario.seed), ("file", scenario.file), ("command", scenario.command)):
        ET.SubElement(properties, "property", name=key, value=_clean(str(value)))
    for name, number, place in cases:
        case = ET.SubElement(suite, "testcase", classname=_clean(scenario.name), name=_clean(name), time="0")
        if scenario.skipped is not None:
            ET.SubElement(case, "skipped", message=_clean(scenario.skipped))
        mine = [failure for failure in scenario.failures if failure.step == number]
        if mine:
            first = mine[0]
            message = _clean(f"{first.path}: expected {first.expected}, got {first.got}")
            failure = ET.SubElement(case, "failure", message=message)
            failure.text = _clean(
                "\n".join(f"{f.place}: {f.path}: expected {f.expected}, got {f.got}" for f in mine) + f"\n{place}"
            )
    return suite


def _clean(text: str) -> str:
    """Text without what XML 1.0 cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
