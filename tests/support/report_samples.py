"""Reports as values, made by hand: each field filled, with texts that no page may obey."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace
from typing import Any

from mfp_sim.report.json_report import catalogue_of
from mfp_sim.report.model import (
    Baseline,
    CaIdentity,
    CauseKind,
    CausePlace,
    CauseReport,
    CheckReport,
    Conclusion,
    Difference,
    ExchangeReport,
    FailureReport,
    Grade,
    HttpMessage,
    MintedCertificate,
    PrinterStage,
    PrinterVerdict,
    Provenance,
    RunReport,
    ScenarioReport,
    SourceLine,
    StepReport,
)

HOSTILE = "<script>window.hurt = 1</script><img src=x onerror='window.hurt=1'>\x1b[31m\x00\u202e]]>\"'&"
"""What a server might say to hurt whoever reads it."""
_T = "2026-03-02T08:0{}:00+00:00"


def opened(page: str) -> str:
    """A report's page with everything open: what it keeps packed in its place."""
    head, _, rest = page.partition('<template id="parts">')
    packed, _, tail = rest.partition("</template>")
    unpacked = gzip.decompress(base64.b64decode(packed)).decode()
    parts = [kind.split("\0") for kind in unpacked.split("\x01")]
    filled = re.compile(r'<div data-part="(\d+) (\d+)"></div>')
    page = head + tail
    while filled.search(page):
        page = filled.sub(lambda match: parts[int(match[1])][int(match[2])], page)
    return page


def exchange(**changed: Any) -> ExchangeReport:
    """One exchange."""
    usual = ExchangeReport(
        operation="PKCSReq",
        begun=_T.format(0),
        ended=_T.format(1),
        request=HttpMessage("POST /scep?operation=PKIOperation HTTP/1.1", (("Content-Length", "3"),), b"\1\2\3", 3),
        reply=HttpMessage("HTTP/1.1 200 OK", (("Server", HOSTILE),), HOSTILE.encode(), len(HOSTILE.encode())),
        seconds=60.0,
        event=1,
    )
    return replace(usual, **changed)


def scenario(name: str = "enrols", **changed: Any) -> ScenarioReport:
    """A scenario that passed."""
    usual = ScenarioReport(
        name=name,
        why="It enrols.",
        file="my.scenario.yaml",
        seed=7,
        covers=("MFP-POLL-03",),
        rests_on=("A-34",),
        tags=("smoke",),
        steps=(StepReport(1, "a request", "my.scenario.yaml:5:3", _T.format(0), _T.format(2)),),
        failures=(),
        trace=(
            {"time": _T.format(0), "kind": "step", "number": 1, "text": "a request"},
            {"time": _T.format(0), "kind": "exchange.request", "operation": "PKCSReq", "method": "POST"},
            {"time": _T.format(1), "kind": "exchange.reply", "operation": "PKCSReq", "status": 200},
        ),
        virtual_seconds=120.0,
        real_seconds=0.1,
        command=f"mfp-sim run my.scenario.yaml::{name} --seed 7",
        chapter="enrolment",
        timezone="Europe/Oslo",
        exchanges=(exchange(),),
        minted=(
            MintedCertificate(
                "1F", "CN=192.0.2.10", "tls", _T.format(1), _T.format(0), "2027-03-02T08:00:00+00:00", fate="installed"
            ),
        ),
    )
    return replace(usual, **changed)


def failed(name: str = "fails", **changed: Any) -> ScenarioReport:
    """A scenario that failed in its only step."""
    lines = (SourceLine(5, "  - expect:"), SourceLine(6, "      status: {state: error}", marked=True))
    failure = FailureReport(1, "my.scenario.yaml:6:15", "status.state", "error", "successful", lines)
    return scenario(name, failures=(failure,), **changed)


def scenario_run(*scenarios: ScenarioReport) -> RunReport:
    """One of each outcome, unless other scenarios are given."""
    chosen = scenarios or (scenario(), failed(), scenario("not-here", skipped="it moves the network", steps=()))
    run = RunReport(chosen, "in process", ("A-22=5xx",), Provenance(version="0.1.0", command="mfp-sim run"))
    return replace(run, catalogue=catalogue_of(run))


def check(identifier: str = "reply-nonce", verdict: str = "fail", **changed: Any) -> CheckReport:
    """A check."""
    usual = CheckReport(
        id=identifier,
        title="The reply repeats the nonce",
        verdict=verdict,  # type: ignore[arg-type]
        requirements=("SCEP-3.2.1.4-02",),
        section="3.2.1.4",
        level="MUST",
        field_failures=("F-T01",),
        tags=("nonces",),
        cost="1 certificate",
        why="Without it a recorded reply passes for a fresh one.",
        severity="MUST",
        because="the recipientNonce is not the senderNonce of the request",
        likely_mistake="The server answers with a nonce of its own.",
        expected="recipientNonce 00ff",
        got="recipientNonce 1234",
        differences=(
            Difference("signedAttrs.recipientNonce", "00ff", HOSTILE),
            Difference("signedAttrs.senderNonce", "aa", None),
        ),
        exchanges=(exchange(), exchange(reply=None, error="it reset the connection")),
        command=f"mfp-sim conform http://ca.example/scep --only {identifier}",
        notes=("seen twice",),
        begun=_T.format(0),
        ended=_T.format(1),
        seconds=0.25,
    )
    return replace(usual, **changed)


def cause(identifier: str, kind: CauseKind, verdict: str, *places: str, title: str = "It is wrong") -> CauseReport:
    """A cause that shows in the checks ``places``."""
    return CauseReport(
        id=identifier,
        title=title,
        kind=kind,
        verdict=verdict,  # type: ignore[arg-type]
        places=tuple(CausePlace(place, f"{place} {HOSTILE}", verdict) for place in places),  # type: ignore[arg-type]
        sections=("3.2.1.5 senderNonce and recipientNonce",),
        remedy=f"compare it {HOSTILE}",
        clients=("canon-ir-adv-dx", HOSTILE),
        waived=verdict == "fail",
    )


def stages(last: str) -> tuple[PrinterStage, ...]:
    """Three stages, the last of which has this outcome."""
    told = PrinterStage("enrol", last, HOSTILE, "let it enrol")  # type: ignore[arg-type]
    return PrinterStage("capabilities", "not-needed"), PrinterStage("ca", "done"), told


def conformance_run() -> RunReport:
    """One check of each verdict, printers, and what was minted."""
    verdicts = ("fail", "warn", "finding", "inconclusive", "pass", "skipped", "experimental", "planned")
    run = RunReport(
        scenarios=(),
        target="http://ca.example/scep",
        provenance=Provenance(
            version="0.1.0",
            begun=_T.format(0),
            seconds=12.5,
            command="mfp-sim conform http://ca.example/scep",
            ca=CaIdentity("CN=CA", "ab" * 32, capabilities=("AES", "SHA-256", HOSTILE), server=HOSTILE),
            baseline=Baseline("baseline.yaml", ("reply-nonce",), ("get-crl",), ()),
            options={"budget": "20 certificates"},
        ),
        conclusions=(Conclusion("RFC 8894", "fail", "1 MUST is broken"), Conclusion("Printers", "pass", "all work")),
        grade=Grade("D", ("security, fail: the nonce is not compared",), ("Breaks a MUST of RFC 8894 in 1 check.",)),
        findings=(
            cause("nonce-wrong", "security", "fail", "check-fail"),
            cause("errors", "robustness", "warn", "check-warn", "check-finding", title=f"Errors {HOSTILE}"),
            cause("unusual", "hygiene", "finding", "check-finding"),
            cause("plain", "hygiene", "finding", "not-in-the-report"),
            cause("by-setup", "policy", "finding", "check-finding"),
        ),
        checks=tuple(
            check(
                f"check-{verdict}",
                verdict,
                wrong="The nonce is not compared" if verdict == "fail" else "",
                cause="nonce-wrong" if verdict == "fail" else "",
            )
            for verdict in verdicts
        ),
        printers=(
            PrinterVerdict("canon-ir-adv-dx", "works", assumptions=("A-34",), stages=stages("done")),
            PrinterVerdict(
                "other", "does-not-work", (HOSTILE,), ("A-22",), ("check-fail",), (exchange(),), stages("failed")
            ),
        ),
        minted=(MintedCertificate("1F", "CN=mfp-sim-1", "check-pass", _T.format(1), fate="delivered"),),
        stopped="the budget is used up",
    )
    return replace(run, catalogue=catalogue_of(run))
