"""The proof of the checks: the mock with one named fault moves each off *pass*, to its own worst, for the right reason.

Runs in process on a frozen clock with pooled keys; what needs a real connection runs on loopback. Clean profiles give
no fail and exactly the findings that :data:`CLEAN` lists. Owns the bench and the judgement of proofs, no check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from mfp_sim.conformance.challenges import NoChallenge as NoneGiven
from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.engine import Run, run_checks
from mfp_sim.conformance.model import Check, CheckResult, Proof, Verdict
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.session import Policy, Session, Target
from mfp_sim.documents import Problems, load_text
from mfp_sim.simtime import Clock, Entropy, FrozenClock, PooledKeys, SystemClock
from mfp_sim.transport import InProcess, Sockets
from mock_scep_server.challenges import NoChallenge, StaticChallenge
from mock_scep_server.faults.defects import Gate
from mock_scep_server.policy import CaPolicy, ChallengeSetup, Rollover
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.script import Script, read_script
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService

__all__ = ["CLEAN", "Proven", "bench", "prove", "run_clean"]

CHALLENGE = "s3lf-test-challenge"
START = datetime(2026, 3, 2, 8, 0, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Proven:
    """What became of one proof. ``trouble`` says why it is none; None where it holds."""

    check: Check
    proof: Proof
    verdict: Verdict
    trouble: str | None = None


def _script(proof: Proof, clock: Clock) -> Script:
    parts = []
    if proof.when:
        when = proof.when if proof.when.startswith("{") else "{" + proof.when + "}"
        parts.append(f"when: {when}")
    if proof.answer:
        parts.append(f"then: {proof.answer}")
    if proof.faults:
        parts.append(f"faults: [{proof.faults}]")
    if not parts or not (proof.answer or proof.faults):
        return Script((), ZoneInfo("UTC"), clock.now())
    problems = Problems()
    rules = read_script(load_text(f"- {{{', '.join(parts)}}}", "proof"), problems)
    problems.raise_if_any()
    return Script(rules, ZoneInfo("UTC"), clock.now())


@contextmanager
def bench(proof: Proof | None = None, *, seed: int = 1) -> Iterator[Session]:
    """A session with the mock; ``proof`` says what is wrong with it. ``setup`` of the proof may hold ``ra``,
    ``fingerprint``, ``sockets``, ``open``, ``one_time``, ``next_ca``, ``approve`` and fields of the CA's policy."""
    proof = proof or Proof("")
    setup: dict[str, Any] = dict(proof.setup)
    sockets, opened, one_time = (setup.pop(name, False) for name in ("sockets", "open", "one_time"))
    fingerprint, ra, approve = setup.pop("fingerprint", None), setup.pop("ra", "none"), setup.pop("approve", False)
    next_ca = setup.pop("next_ca", False)
    if next_ca:
        setup["rollover"] = Rollover(timedelta(days=30), timedelta(days=90))
    if one_time:
        setup["challenge"] = ChallengeSetup("one_time", cache=10_000)
    clock: Clock = SystemClock() if sockets else FrozenClock(START)
    entropy = Entropy(seed)
    service = ScepService(
        profile=replace(profile_named(proof.profile), **proof.ca),  # type: ignore[arg-type]
        clock=clock,
        entropy=entropy.fork("ca"),
        keys=PooledKeys(entropy.fork("keys"), side=1),
        challenge=None if one_time else NoChallenge() if opened else StaticChallenge(CHALLENGE),
        script=_script(proof, clock),
        ra=ra,
        policy=CaPolicy(**setup),
    )
    if next_ca:
        clock.wait_until(clock.now() + timedelta(days=60))
    gate = Gate(service, proof.defects, entropy.fork("gate").octets)
    policy = Policy(
        fingerprint=fingerprint,
        opt_ins=frozenset({"load", "approval"}),
        timeout=20.0,
        approve=(lambda _: bool(service.operator.approve())) if approve else None,
    )
    host = ServerHost(gate) if sockets else None
    if host is not None:
        host.start()
    try:
        yield Session(
            Target("in process", "127.0.0.1", host.port if host else 80, "/scep"),
            Sockets(clock) if host else InProcess(clock, gate.handle),
            clock=clock,
            entropy=entropy.fork("session"),
            keys=PooledKeys(entropy.fork("client"), side=0),
            challenges=_Given(service) if one_time else NoneGiven() if opened else Static(CHALLENGE),
            policy=policy,
        )
    finally:
        if host is not None:
            host.stop()


@dataclass(frozen=True)
class _Given:
    """One-time challenges of the mock's own."""

    service: ScepService
    described: str = "one-time"

    def next(self) -> str:
        return self.service.operator.give_challenge()


def prove(check: Check, proof: Proof) -> Proven:
    """Run one check against the mock with one fault."""
    with bench(proof) as session:
        (result,) = run_checks(session, [check], keep_going=True).results
    return Proven(check, proof, result.verdict, _trouble(proof, result))


def _trouble(proof: Proof, result: CheckResult) -> str | None:
    if not result.deviations:
        return f"the check is {result.verdict.word}: {result.reason or 'no fact deviates'}"
    slugs = {fact.slug for fact in result.deviations}
    if proof.fact not in slugs:
        return f"not for the right reason: {', '.join(sorted(slugs))} instead of {proof.fact}"
    return None


def run_clean(checks: Sequence[Check], profile: str = "rfc8894", **setup: object) -> Run:
    """A run against a clean mock."""
    with bench(Proof("", profile=profile, setup=setup)) as session:
        return run_checks(session, checks, keep_going=True)


def matrix(checks: Mapping[str, Check] | None = None) -> Iterator[Proven]:
    """Every proof of every check."""
    for check in (checks or all_checks()).values():
        for proof in check.proofs:
            yield prove(check, proof)


@dataclass(frozen=True)
class Clean:
    """A clean shape of the mock, and the findings it is known for: check id to verdict."""

    name: str
    profile: str
    setup: Mapping[str, object] = field(default_factory=dict)
    known: Mapping[str, Verdict] = field(default_factory=dict)


CLEAN: tuple[Clean, ...] = ()
