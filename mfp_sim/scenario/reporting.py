"""Turns a result into the plain values from which reports are made."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from mfp_sim.events import ExchangeRequest, MockRequest, read
from mfp_sim.report.json_report import catalogue_of
from mfp_sim.report.messages import exchange_report, kept
from mfp_sim.report.model import (
    CatalogueEntry,
    ExchangeReport,
    FailureReport,
    MintedCertificate,
    RunReport,
    ScenarioReport,
    StepReport,
)
from mfp_sim.scenario.excerpt import excerpt
from mfp_sim.scenario.model import ScenarioResult
from mfp_sim.scenario.premises import Failure
from mfp_sim.shared.redaction import Redactor
from mock_scep_server.faults import FAULTS
from mock_scep_server.ledger import LedgerEntry

__all__ = ["explained", "report_of"]


def report_of(result: ScenarioResult, *, ca_url: str | None = None) -> ScenarioReport:
    """The result as a report, without secrets; its ``command`` repeats this run."""
    scenario, mask = result.scenario, result.redactor.text
    chosen = kept(result.attachments)
    return ScenarioReport(
        name=scenario.name,
        why=mask(scenario.why),
        file=scenario.file,
        seed=result.seed,
        covers=scenario.covers,
        rests_on=result.basis.rests_on,
        declared=result.basis.declared,
        examined=result.basis.examined,
        tags=scenario.tags,
        steps=tuple(
            StepReport(s.number, mask(s.text), s.place, s.begun.isoformat(), s.ended.isoformat()) for s in result.steps
        ),
        failures=tuple(_failure(failure, result) for failure in result.failures),
        trace=tuple(event.to_json() for event in result.events),
        virtual_seconds=result.virtual_seconds,
        real_seconds=result.real_seconds,
        command=_command(result, ca_url),
        skipped=result.skipped,
        unobserved=result.unobserved,
        chapter=Path(scenario.file).parent.name,
        timezone=scenario.printer.timezone,
        exchanges=_exchanges(result) if chosen else (),
        exchanges_left_out=len(result.attachments) - len(chosen),
        minted=tuple(_minted(entry, result.redactor) for entry in result.ledger),
    )


def explained(report: RunReport) -> RunReport:
    """The report with a catalogue of everything that it names, including the faults that acted in its scenarios."""
    asked = (
        entry for scenario in report.scenarios for entry in scenario.trace if entry.get("kind") == MockRequest.kind
    )
    events = (read(MockRequest.kind, entry) for entry in asked)
    slugs = {slug for event in events if isinstance(event, MockRequest) for slug in event.faults}
    faults = {
        slug: CatalogueEntry(slug, slug, entry.sentence, source="a fault of the mock CA", level=entry.layer)
        for slug in sorted(slugs)
        if (entry := FAULTS.get(slug)) is not None
    }
    return replace(report, catalogue=catalogue_of(report) | faults)


def _failure(failure: Failure, result: ScenarioResult) -> FailureReport:
    source, mask = excerpt(failure.place, result.redactor), result.redactor.text
    # An expectation may name a secret, and what was there may be one.
    path, expected, got = mask(failure.path), mask(failure.expected), mask(failure.got)
    return FailureReport(failure.step, failure.place, path, expected, got, source, failure.error)


def _exchanges(result: ScenarioResult) -> tuple[ExchangeReport, ...]:
    """The messages under the names that the trace gives them: a first request and a poll look alike on the wire."""
    found = []
    for attachment in kept(result.attachments):
        event = result.events[attachment.event] if 0 <= attachment.event < len(result.events) else None
        asked = event.of(ExchangeRequest) if event is not None else None
        found.append(exchange_report(attachment, asked.operation if asked else None))
    return tuple(found)


def _minted(entry: LedgerEntry, redactor: Redactor) -> MintedCertificate:
    certificate = entry.certificate
    return MintedCertificate(
        serial=f"{certificate.serial:x}",
        subject=redactor.text(certificate.subject_text),
        minted_at=entry.minted_at.isoformat(),
        not_before=certificate.not_before.isoformat(),
        not_after=certificate.not_after.isoformat(),
        fingerprint=certificate.fingerprint(),
        transaction=entry.transaction_id,
        fate="installed" if entry.installed else "delivered" if entry.delivered else "orphaned",
    )


def _command(result: ScenarioResult, ca_url: str | None) -> str:
    one_of_many = f"::{result.scenario.name}" if "[" in result.scenario.name else ""
    words = ["mfp-sim", "run", result.scenario.file + one_of_many, "--seed", str(result.seed)]
    for flip in result.flips:
        words += ["--flip", flip]
    if ca_url:
        words += ["--ca", ca_url]
    return shlex.join(words)
