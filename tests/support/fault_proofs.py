"""Every fault of the mock in the situation in which it shows: what the printer ends with, and what the journal says.

The tests of the faults and the matrix (``docs/reference/fault_matrix.md``) are made from these proofs. In process on the frozen
clock; nothing here depends on the machine. (TLS is the exception: it is shown on loopback, in real time.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fault_client import DIRECT

from mfp_sim.device.invariants import broken
from mfp_sim.device.status import Detail
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import carry_out
from mfp_sim.scenario.world import World, build
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.registry import FaultEntry
from mock_scep_server.journal import JournalEntry

__all__ = ["Proof", "cases", "prove", "prove_rules"]

_SCENARIO = """\
format: 1
name: proof
why: a fault, and a printer that has a certificate already
clock: 2026-03-02T08:00:00+01:00
seed: 7
printer:
  profile: canon-ir-adv-dx
  timezone: Europe/Oslo
  ip: 192.0.2.10
  functions: [TLS]
  settings: {settings}
  communication: {{url: http://ca.example/scep, port: 80, timeout: 30s}}
ca: {{profile: rfc8894, challenge: {{static: s3cret}}}}
steps:
  - request: {{name: old, common_name: 192.0.2.10, challenge: s3cret, use: TLS}}
  - advance: 1m
  - ca_script: {rules}
{steps}  - expect: {{powered: true}}
"""
_KEY = "{{name: {name}, common_name: 192.0.2.10, challenge: s3cret, use: TLS, signature: {signature}}}"
_MANUAL = "  - request: " + _KEY + "\n"
_POLLING = (
    "  - auto_request: {{start: 2026-03-02 09:00, polling: {{count: 3, interval: 10m}}, key: " + _KEY + "}}\n"
    "  - advance: 3h\n"
)


@dataclass(frozen=True)
class _Situation:
    """What the printer does after its first certificate; ``before`` are faults that make the situation."""

    steps: str = _MANUAL.format(name="new", signature="SHA256")
    before: tuple[str, ...] = ()
    settings: str = "{}"


SITUATIONS = {
    "enrol": _Situation(),
    "poll": _Situation(_POLLING.format(name="new", signature="SHA256")),
    "deferred": _Situation(_POLLING.format(name="new", signature="SHA256"), ("{pending-n: 1}",)),
    "renew": _Situation(settings="{renewal_message: RenewalReq}"),
    "twice": _Situation("".join(_MANUAL.format(name=name, signature="SHA256") for name in ("new", "newer"))),
    "get": _Situation(before=("get-only",)),
    "weak": _Situation(before=("caps-stripped",)),
    "crlf": _Situation(before=("caps-crlf",)),
    "refused": _Situation(before=("fail-badrequest",)),
    "sha-512": _Situation(_MANUAL.format(name="new", signature="SHA512"), settings="{cms_digest: signature-algorithm}"),
}
"""The situations of ``proof`` in the catalogue that a printer gets into; the others are a client's (fault_client)."""


@dataclass(frozen=True)
class Proof:
    """What came of it. ``journal`` holds the requests under the fault, ``rows`` the status screen's finished rows."""

    fault: str
    situation: str
    rows: tuple[str, ...]
    diagnosis: str
    keys: tuple[str, ...]
    unsound: tuple[str, ...]
    ledger: dict[str, int]
    journal: tuple[JournalEntry, ...] = field(repr=False, default=())
    findings: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What the faults changed, request by request."""
        return tuple(f"{entry.name}: {change}" for entry in self.journal for change in entry.changes)

    @property
    def seen(self) -> tuple[object, ...]:
        """All that can be seen of the fault from outside: requests, answers, what was sent, the printer's outcome."""
        exchanges = tuple(
            (entry.name, _SERIAL.sub("", entry.decision), entry.status, entry.sent) for entry in self.journal
        )
        changes = tuple(change for change in self.changes if ": decide: " not in change)
        return (self.situation, exchanges, changes, self.rows, self.diagnosis, self.keys, sorted(self.ledger.items()))

    @property
    def shown(self) -> str:
        """What the printer ends with, in words; of the client of the proof, where the printer never asks this."""
        if self.situation in DIRECT:
            return self.rows[0]
        said = " / ".join(_in_words(row) for row in self.rows)
        reason = self.diagnosis.partition(":")[0]
        return f"{said} (audit log: {reason})" if reason and "scep-error" in self.rows[0] else said

    @property
    def installed(self) -> str:
        """In words for the matrix."""
        if self.situation in DIRECT:
            return ""
        return "the new certificate" if len(self.keys) > 1 else "nothing, the old one stays"


_SERIAL = re.compile(r" serial [0-9a-f]+")


def _in_words(row: str) -> str:
    """A row of the status screen as the printer words it."""
    state, _, slug = row.partition(" ")
    if state == "successful":
        return "Successful"
    kind, _, number = slug.rpartition("-") if slug[-1].isdigit() else (slug, "", "")
    kind = "http" if kind == "top-error" and number else kind
    return f"Error, {Detail(kind, int(number) if number else None).label}"


def cases() -> Iterator[tuple[FaultEntry, str]]:
    """Every fault in every variant, as it is written in ``faults:``."""
    for entry in FAULTS.values():
        for variant in entry.variants:
            yield entry, entry.written(variant)


def prove(entry: FaultEntry, written: str) -> Proof:
    """The fault in its situation."""
    if entry.proof in DIRECT:
        outcome = DIRECT[entry.proof](f"[{{faults: [{written}]}}]")
        return Proof(written, entry.proof, (outcome.words,), "", (), (), {}, outcome.journal)
    situation = SITUATIONS[entry.proof]
    return prove_rules(situation, (*situation.before, written), written, entry.proof)


def prove_rules(
    situation: _Situation, faults: tuple[str, ...], written: str = "", name: str = "enrol", **changes: object
) -> Proof:
    """The situation with these faults on every request; none for a clean run."""
    rules = f"[{{faults: [{', '.join(faults)}]}}]" if faults else "[]"
    text = _SCENARIO.format(settings=situation.settings, rules=rules, steps=situation.steps)
    world = _world(text, **changes)
    assert world.ca is not None
    journal = world.ca.journal.entries
    first = next(i for i, e in enumerate(journal) if e.decision.startswith("SUCCESS")) + 1
    printer = world.printer
    rows = [row for row in printer.status() if row.state in ("error", "successful", "processing")]
    audit = [entry.diagnosis for entry in printer.audit if entry.result == "NG" and entry.diagnosis]
    keys = tuple(entry.name for entry in printer.key_list() if not entry.default)
    return Proof(
        fault=written,
        situation=name,
        rows=tuple(
            f"{row.state} {row.details.slug}" if row.details else row.state for row in rows if row.key_name != "old"
        ),
        diagnosis=audit[-1] if audit else "",
        keys=keys,
        unsound=tuple(broken(printer)) + tuple(_wrong(world)),
        ledger=world.ca.ledger.counts,
        journal=journal[first:],
        findings=tuple(entry.diagnosis for entry in printer.audit if entry.result == "OK" and entry.diagnosis),
    )


def _world(text: str, **changes: object) -> World:
    (scenario,) = read_text(text, "proof")
    world = build(scenario, seed=scenario.seed, **changes)  # type: ignore[arg-type]
    for number, step in enumerate(scenario.steps, 1):
        carry_out(world, step, number, [])
    return world


def _wrong(world: World) -> Iterator[str]:
    """What must not hold after any fault: a lost certificate, or one that no CA of the printer's issued."""
    entries = {entry.name: entry for entry in world.printer.key_list() if not entry.default}
    if "old" not in entries:
        yield "the old certificate is gone"
    for entry in entries.values():
        now = world.clock.now()
        if entry.certificate.not_after < now and entry.certificate.not_after < entry.created:
            yield f"{entry.name}: a certificate was installed that had expired"
    if world.failures:
        yield f"the run failed: {world.failures[0]}"
