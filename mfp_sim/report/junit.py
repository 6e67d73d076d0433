"""The run as JUnit XML.

Each scenario is a test suite with a test case per step. For checks, each section of the RFC is a suite with a case per
check, and the printer models are a suite with a case per model. If the run differs from its baseline, the baseline is a
suite, too, with a failure per difference. Text from a server is hostile and is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from mfp_sim.report.model import UNCHECKED, CheckReport, RunReport, ScenarioReport

__all__ = ["as_junit"]

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_RUN = frozenset({"skipped", "experimental", "planned", "inconclusive"})


def as_junit(report: RunReport) -> str:
    """The report as an XML document."""
    root = ET.Element("testsuites", name="mfp-sim")
    for scenario in report.scenarios:
        root.append(_suite(scenario, report))
    sections: dict[str, list[CheckReport]] = {}
    for check in report.checks:
        sections.setdefault(check.section, []).append(check)
    for section, checks in sections.items():
        root.append(_section(section, checks, report))
    if report.printers:
        root.append(_printers(report))
    if report.baseline_broken:
        root.append(_baseline(report))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(scenario: ScenarioReport, report: RunReport) -> ET.Element:
    cases = [(f"{step.number}: {step.text}", step.number, step.place) for step in scenario.steps]
    numbers = {number for _, number, _ in cases}
    if scenario.skipped is not None or any(failure.step not in numbers for failure in scenario.failures):
        cases.insert(0, ("scenario", 0, scenario.file))  # failures outside the steps: a skip, a trace that differs
    wrong = {
        number: [f for f in scenario.failures if (f.step if f.step in numbers else 0) == number]
        for number in (0, *numbers)
    }
    errors = sum(any(f.error for f in mine) for mine in wrong.values())
    suite = _new_suite(
        scenario.name,
        len(cases),
        sum(map(bool, wrong.values())) - errors,
        len(cases) if scenario.skipped is not None else 0,
        scenario.real_seconds,
        errors=errors,
    )
    about = {"seed": str(scenario.seed), "file": scenario.file, "command": scenario.command, "basis": scenario.basis}
    _properties(suite, about | _doubt(report))
    for name, number, place in cases:
        case = ET.SubElement(suite, "testcase", classname=_clean(scenario.name), name=_clean(name), time="0")
        if scenario.skipped is not None:
            ET.SubElement(case, "skipped", message=_clean(scenario.skipped))
        mine = wrong[number]
        if mine:
            first = next((f for f in mine if f.error), mine[0])
            message = _clean(f"{first.path}: expected {first.expected}, got {first.got}")
            failure = ET.SubElement(case, "error" if first.error else "failure", message=message)
            failure.text = _clean(
                "\n".join(f"{f.place}: {f.path}: expected {f.expected}, got {f.got}" for f in mine) + f"\n{place}"
            )
    if scenario.unobserved:
        told = [f"not observable on a real server: {text}" for text in scenario.unobserved]
        ET.SubElement(suite, "system-out").text = _clean("\n".join(told))
    return suite


def _doubt(report: RunReport) -> dict[str, str]:
    """The reason why no result can be relied on, if there is one."""
    return {UNCHECKED: report.provenance.options[UNCHECKED]} if report.unchecked else {}


def _section(section: str, checks: Sequence[CheckReport], report: RunReport) -> ET.Element:
    failures = sum(check.verdict == "fail" and check.waived is None for check in checks)
    skipped = sum(
        check.verdict in _NOT_RUN or (check.verdict == "fail" and check.waived is not None) for check in checks
    )
    name = f"RFC 8894 {section}".strip()
    suite = _new_suite(name, len(checks), failures, skipped, sum(check.seconds for check in checks))
    _properties(suite, {"target": report.target} | _doubt(report))
    for check in checks:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=_clean(name),
            name=_clean(f"{check.id}: {check.title}"),
            time=f"{check.seconds:.3f}",
        )
        told = check.because or check.verdict
        if check.verdict == "fail" and check.waived is None:
            kind = "security" if check.breach else "conformance"
            failure = ET.SubElement(case, "failure", type=kind, message=_clean(told))
            lines = (check.likely_mistake, f"expected {check.expected}", f"got {check.got}", check.command)
            failure.text = _clean("\n".join(lines))
        elif check.verdict == "fail":
            ET.SubElement(case, "skipped", message=_clean(f"expected by the baseline: {check.waived}"))
        elif check.verdict in _NOT_RUN:
            ET.SubElement(case, "skipped", message=_clean(f"{check.verdict}: {told}"))
        elif check.verdict != "pass":
            ET.SubElement(case, "system-out").text = _clean(f"{check.verdict}: {told}")
    return suite


def _printers(report: RunReport) -> ET.Element:
    """A case per model. A model that does not work is a failure unless the baseline expects it."""
    wrong = report.broken_printers
    left_out = sum(printer.verdict == "not-tried" for printer in report.printers)
    suite = _new_suite("Printers", len(report.printers), len(wrong), left_out, 0.0)
    _properties(suite, {"target": report.target} | _doubt(report))
    for printer in report.printers:
        case = ET.SubElement(suite, "testcase", classname="Printers", name=_clean(printer.model), time="0")
        told = _clean(f"{printer.verdict}: {'; '.join(printer.because)}")
        if printer in wrong:
            ET.SubElement(case, "failure", type="conformance", message=told)
        elif printer.verdict == "not-tried":
            ET.SubElement(case, "skipped", message=told)
        elif printer.because:
            ET.SubElement(case, "system-out").text = told
    return suite


def _baseline(report: RunReport) -> ET.Element:
    baseline = report.provenance.baseline
    assert baseline is not None
    count = len(baseline.differences)
    suite = _new_suite(f"baseline {baseline.file}", count, count, 0, 0.0)
    for name, told in baseline.differences:
        case = ET.SubElement(suite, "testcase", classname="baseline", name=_clean(name), time="0")
        ET.SubElement(case, "failure", type="baseline", message=told)
    return suite


def _new_suite(name: str, tests: int, failures: int, skipped: int, seconds: float, *, errors: int = 0) -> ET.Element:
    return ET.Element(
        "testsuite",
        name=_clean(name),
        tests=str(tests),
        failures=str(failures),
        errors=str(errors),
        skipped=str(skipped),
        time=f"{seconds:.3f}",
    )


def _properties(suite: ET.Element, values: dict[str, str]) -> None:
    properties = ET.SubElement(suite, "properties")
    for key, value in values.items():
        ET.SubElement(properties, "property", name=key, value=_clean(value))


def _clean(text: str) -> str:
    """Text without the characters that XML 1.0 cannot contain."""
    return _NOT_XML.sub("\ufffd", text)
