"""The proof of the checks: one named fault of the mock moves each off *pass*, to its worst, for the right reason.

Runs in process on a frozen clock with pooled keys; checks that need a real connection run on loopback. Clean profiles
give no fail and exactly the findings that `CLEAN` lists. Owns the bench and the judgement of proofs, no check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from mfp_sim.conformance.challenges import SendNoChallenge, Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import ConformanceRun, run_checks
from mfp_sim.conformance.model import OPT_INS, Check, CheckResult, CheckVerdict, Fact, Proof
from mfp_sim.conformance.operators import Act, OperatorAct
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.target import Permissions, Target
from mfp_sim.shared.processes import worker_processes
from mfp_sim.shared.simtime import Entropy, FrozenClock, PassingClock, PooledKeys, Scheduler, SystemClock
from mfp_sim.transport import InProcess, Sequential, SocketClient
from mock_scep_server.challenges import OpenEnrolment, StaticChallenge
from mock_scep_server.faults.defects import Gate
from mock_scep_server.policy import CaPolicy, ChallengeSetup, Rollover
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.script import Rule
from mock_scep_server.script_file import script_of
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService, make_service
from mock_scep_server.setup import CaSetup

__all__ = [
    "CLEAN", "Clean", "Proven", "SelfTest", "as_markdown", "bench", "prove", "run_clean", "run_clean_shape",
    "self_test",
]  # fmt: skip

CHALLENGE = "s3lf-test-challenge"
START = datetime(2026, 3, 2, 8, 0, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Proven:
    """The result of one proof. ``trouble`` says why it does not hold; None if it holds."""

    check: Check
    proof: Proof
    verdict: CheckVerdict
    trouble: str | None = None


def _script(proof: Proof) -> tuple[Rule, ...]:
    parts = []
    if proof.when:
        when = proof.when if proof.when.startswith("{") else "{" + proof.when + "}"
        parts.append(f"when: {when}")
    if proof.answer:
        parts.append(f"then: {proof.answer}")
    if proof.faults:
        parts.append(f"faults: [{proof.faults}]")
    if not parts or not (proof.answer or proof.faults):
        return ()
    return script_of(f"- {{{', '.join(parts)}}}", "proof")


@contextmanager
def bench(proof: Proof | None = None, *, seed: int = 1) -> Iterator[Client]:
    """A session with the mock; ``proof`` says what is wrong with it. ``setup`` of the proof may have ``ra``,
    ``fingerprint``, ``path``, ``sockets``, ``open``, ``one_time``, ``next_ca``, ``approve`` and
    fields of the CA's policy."""
    proof = proof or Proof("")
    setup: dict[str, Any] = dict(proof.setup)
    sockets, opened, one_time = (setup.pop(name, False) for name in ("sockets", "open", "one_time"))
    fingerprint, ra, approve = setup.pop("fingerprint", None), setup.pop("ra", "none"), setup.pop("approve", False)
    path = setup.pop("path", "/scep")
    next_ca = setup.pop("next_ca", False)
    acts: dict[Act, OperatorAct] = {Act.REVOKE: lambda case: bool(service.operator.revoke(case.serial))}
    if approve:
        acts[Act.APPROVE] = lambda case: bool(service.operator.approve(transaction=case.transaction))
        acts[Act.REJECT] = lambda case: bool(service.operator.reject(transaction=case.transaction))
    patience = timedelta(0) if sockets or next_ca else timedelta(days=400)  # on the frozen clock this takes no time
    if next_ca:
        setup["rollover"] = Rollover(timedelta(days=30), timedelta(days=90))
    if one_time:
        setup["challenge"] = ChallengeSetup("one_time", cache=10_000)
    clock: PassingClock = SystemClock() if sockets else FrozenClock(START)
    entropy = Entropy(seed)
    shape = replace(profile_named(proof.profile), **proof.ca)  # type: ignore[arg-type]
    service = make_service(
        CaSetup(shape=shape, ra=ra, script=_script(proof), policy=CaPolicy(**setup)),
        clock=clock,
        entropy=entropy.fork("ca"),
        keys=PooledKeys(entropy.fork("keys"), side=1),
        zone=ZoneInfo("UTC"),
        challenge=None if one_time else OpenEnrolment() if opened else StaticChallenge(CHALLENGE),
    )
    if next_ca:
        Scheduler(clock).run_until(clock.now() + timedelta(days=60))
    gate = Gate(service, proof.defects, entropy.fork("gate").octets)
    policy = Permissions(
        fingerprint=service.authority.issuer.certificate.fingerprint() if fingerprint == "right" else fingerprint,
        opt_ins=frozenset(OPT_INS),
        timeout=20.0,
        patience=patience,
        acts=acts,
    )
    host = ServerHost(gate) if sockets else None
    if host is not None:
        host.start()
    try:
        yield Client(
            Target("in process", "127.0.0.1", host.port if host else 80, path),
            SocketClient(clock) if host else Sequential(clock, lambda scheduler: InProcess(scheduler, gate.handle)),
            clock=clock,
            entropy=entropy.fork("session"),
            keys=PooledKeys(entropy.fork("client"), side=0),
            challenges=_Given(service) if one_time else SendNoChallenge() if opened else Static(CHALLENGE),
            policy=policy,
        )
    finally:
        if host is not None:
            host.stop()


@dataclass(frozen=True)
class _Given:
    """The mock's own one-time challenges."""

    service: ScepService
    described: str = "one-time"

    def next(self) -> str:
        return self.service.operator.give_challenge()


def prove(check: Check, proof: Proof) -> Proven:
    """Run one check against the mock with one fault."""
    with bench(proof) as session:
        (result,) = run_checks(session, [check], keep_going=True).results
    trouble = _trouble(proof, result)
    if trouble is None and session.unexpected and check.gain is None and not session.open_to_strangers:
        trouble = f"a certificate was issued that should not exist, {session.unexpected[0]}, but the check has no gain"
    return Proven(check, proof, result.verdict, trouble)


def _trouble(proof: Proof, result: CheckResult) -> str | None:
    if not result.deviations:
        return f"the check is {result.verdict.word}: {result.reason or 'no fact deviates'}"
    slugs = {fact.slug for fact in result.deviations}
    mild = [fact.slug for fact in result.deviations if fact.capped(result.check)]
    if mild and not result.check.mild:
        return f"{mild[0]} is milder than the keyword of its requirement, but mild does not say why"
    if proof.fact not in slugs:
        return f"not for the right reason: {', '.join(sorted(slugs))} instead of {proof.fact}"
    return None


def run_clean(checks: Sequence[Check], profile: str = "rfc8894", **setup: object) -> ConformanceRun:
    """A run against a clean mock."""
    with bench(Proof("", profile=profile, setup=setup)) as session:
        return run_checks(session, checks, keep_going=True)


@dataclass(frozen=True)
class Clean:
    """A clean shape of the mock, and its known findings: check id to verdict."""

    name: str
    proof: Proof
    known: Mapping[str, str]


@dataclass(frozen=True)
class CleanRun:
    """The result of one clean run. ``passed`` are the checks that passed; ``trouble`` what differs from the list."""

    name: str
    passed: frozenset[str]
    trouble: tuple[str, ...]


_ALWAYS = {
    "refuses-no-nonce": "finding",  # the mock accepts requests without senderNonce, as the RFC has no rule for servers
    "challenge-brute-force": "finding",  # it does not limit attempts
}
_PLAIN = {
    **_ALWAYS,
    "challenge-one-time": "warn",
    "weak-keys-refused": "finding",
    "issued-points-to-crl": "finding",
    "ra-separate": "finding",
}
CLEAN = (
    Clean("rfc8894", Proof(""), _PLAIN),
    Clean(
        "rfc8894 with an RA pair, one-time challenges, 2048 bits and CRL pointers, over sockets",
        Proof(
            "",
            defects=("wants-nonce", "limits-guesses", "reads-for-the-ca"),
            setup={
                "fingerprint": "right",
                "ra": "split",
                "one_time": True,
                "minimum_rsa": 2048,
                "publish_at": "http://ca.example",
                "sockets": True,
            },
        ),
        {},
    ),
    Clean("rfc8894 with one RA during a rollover", Proof("", setup={"ra": "single", "next_ca": True}),
          {k: w for k, w in _PLAIN.items() if k != "ra-separate"} | {"accepts-each-certificate": "finding"}),
    Clean("rfc8894 with manual approval", Proof("", setup={"open": True, "approval": "manual", "approve": True}),
          {"refuses-no-nonce": "finding", "issued-points-to-crl": "finding", "ra-separate": "finding"}),
    Clean(
        "lenient",
        Proof("", profile="lenient"),
        {
            **_PLAIN,
            "single-des-refused": "fail",
            "md5-refused": "fail",
            "certrep-without-data": "warn",
            "renewal-not-advertised": "finding",
        },
    ),
    Clean(
        "rfc8894 without 3DES and SHA-1",
        Proof(
            "",
            ca={
                "capabilities": ("AES", "POSTPKIOperation", "SHA-256", "SCEPStandard"),
                "refuse_ciphers": frozenset({"des-cbc", "des-ede3-cbc"}),
                "refuse_digests": frozenset({"md5", "sha1"}),
                "message_types": frozenset({19, 20, 21, 22}),
            },
        ),
        _PLAIN,
    ),
)  # fmt: skip
"""Clean shapes, and exactly their known findings. Every check must pass at one of them."""


def run_clean_shape(clean: Clean, checks: Sequence[Check]) -> CleanRun:
    """Run a clean shape and compare the result with its known findings."""
    with bench(clean.proof) as session:
        run = run_checks(session, checks, keep_going=True)
    found = {
        r.check.id: r.verdict.word
        for r in run.results
        if r.verdict in (CheckVerdict.FINDING, CheckVerdict.WARN, CheckVerdict.FAIL)
    }
    trouble = [
        f"{name}: {found.get(name, 'not found')} instead of {clean.known.get(name, 'pass')}"
        for name in sorted({*found, *clean.known})
        if found.get(name) != clean.known.get(name) and (name in found or _judged(name, run))
    ]
    if not (run.first.held and run.last.held):
        trouble.append(f"a positive control failed: {run.first.text}; {run.last.text}")
    passed = frozenset(r.check.id for r in run.results if r.verdict is CheckVerdict.PASS)
    return CleanRun(clean.name, passed, tuple(trouble))


def _judged(name: str, run: ConformanceRun) -> bool:
    return any(r.check.id == name and r.verdict <= CheckVerdict.FAIL for r in run.results)


@dataclass(frozen=True)
class SelfTest:
    """The whole proof."""

    proofs: tuple[Proven, ...]
    clean: tuple[CleanRun, ...]
    checks: tuple[Check, ...]

    @property
    def unproved(self) -> tuple[Check, ...]:
        """Checks whose worst verdict no proof reaches."""
        reached = {p.check.id for p in self.proofs if p.trouble is None and p.verdict >= p.check.worst}
        return tuple(c for c in self.checks if not c.experimental and c.id not in reached)

    @property
    def never_passed(self) -> tuple[Check, ...]:
        """Checks that passed at no clean shape."""
        passed = frozenset[str]().union(*(run.passed for run in self.clean))
        return tuple(c for c in self.checks if not c.experimental and c.id not in passed)

    @property
    def holds(self) -> bool:
        """Whether the whole proof holds."""
        broken = any(p.trouble is not None for p in self.proofs) or any(run.trouble for run in self.clean)
        return not (broken or self.unproved or self.never_passed)

    def lines(self) -> Iterator[str]:
        """The result as lines of text."""
        for proven in self.proofs:
            if proven.trouble is not None:
                yield f"NOT PROVED  {proven.check.id} by {proven.proof.text}: {proven.trouble}"
        for check in self.unproved:
            yield f"NOT WORST   {check.id}: no fault moves it to {check.worst.word}"
        for check in self.never_passed:
            yield f"NEVER PASS  {check.id}: it does not pass at any clean shape of the mock"
        for run in self.clean:
            for trouble in run.trouble:
                yield f"NOT CLEAN   {run.name}: {trouble}"
        counted = [check for check in self.checks if not check.experimental]
        yield (
            f"{len(self.checks)} checks, {len(counted)} proved by {len(self.proofs)} faults, "
            f"{len(self.checks) - len(counted)} experimental; {len(self.clean)} clean shapes: "
            f"{'the proof holds' if self.holds else 'the proof does NOT hold'}"
        )

    def to_json(self) -> dict[str, object]:
        """The result for programs."""
        return {
            "holds": self.holds,
            "proofs": [
                {"check": p.check.id, "fault": p.proof.text, "fact": p.proof.fact, "verdict": p.verdict.word,
                 "trouble": p.trouble}
                for p in self.proofs
            ],
            "clean": [
                {"name": run.name, "passed": sorted(run.passed), "trouble": list(run.trouble)} for run in self.clean
            ],
            "unproved": [check.id for check in self.unproved],
            "never_passed": [check.id for check in self.never_passed],
            "experimental": [check.id for check in self.checks if check.experimental],
        }  # fmt: skip


def self_test(
    checks: Sequence[Check], *, jobs: int = 1, progress: Callable[[int, int, str], None] | None = None
) -> SelfTest:
    """Prove each check, and look at the clean shapes.

    Args:
        checks: which.
        jobs: processes.
        progress: called with the progress.
    """
    pairs = [(check.id, number) for check in checks for number, proof in enumerate(check.proofs) if proof.ready]
    told = progress or (lambda *_: None)
    total = len(pairs) + len(CLEAN)
    ids = tuple(check.id for check in checks)
    proofs: list[Proven] = []
    runs: list[CleanRun] = []
    shapes = [(clean.name, ids) for clean in CLEAN]
    with ExitStack() as stack:
        pool = stack.enter_context(worker_processes(jobs)) if jobs > 1 else None
        clean = (
            pool.map(_clean_one, shapes) if pool else map(_clean_one, shapes)
        )  # these take long, so they begin first
        proven = pool.map(_prove_one, pairs, chunksize=8) if pool else map(_prove_one, pairs)
        for number, (identifier, _) in enumerate(pairs, 1):
            told(number, total, identifier)
            proofs.append(next(proven))
        for number, (name, _) in enumerate(shapes, len(pairs) + 1):
            told(number, total, name)
            runs.append(next(clean))
    table = all_checks()
    whole = tuple(replace(p, check=table[p.check.id]) for p in proofs)
    return SelfTest(whole, tuple(runs), tuple(checks))


def _prove_one(pair: tuple[str, int]) -> Proven:
    check = all_checks()[pair[0]]
    found = prove(check, check.proofs[pair[1]])
    # A check's function cannot be pickled; the other process replaces it with its own entry.
    return replace(found, check=replace(check, run=_nothing, proofs=()))


def _nothing(_: Client) -> Iterator[Fact]:
    yield from ()


def _clean_one(job: tuple[str, tuple[str, ...]]) -> CleanRun:
    name, ids = job
    (clean,) = (clean for clean in CLEAN if clean.name == name)
    return run_clean_shape(clean, [all_checks()[identifier] for identifier in ids])


def as_markdown(found: SelfTest) -> str:
    """The matrix as a page."""
    by_check: dict[str, list[Proven]] = {}
    for proven in found.proofs:
        by_check.setdefault(proven.check.id, []).append(proven)
    lines = [
        "| section | level | check | worst | proved by: a fault of the mock, and the verdict that follows |",
        "| --- | --- | --- | --- | --- |",
    ]
    for check in found.checks:
        cells = "; ".join(
            f"`{p.proof.text or 'the mock as it is'}` → {p.verdict.word}" for p in by_check.get(check.id, [])
        )
        lines.append(
            f"| {check.section} | {check.level} | `{check.id}` {check.title} | {check.worst.word} | "
            f"{cells.replace('|', '/') or '*experimental*'} |"
        )
    return "\n".join(lines) + "\n"
