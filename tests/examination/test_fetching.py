"""The situations of get-ca, get-next-ca and get-crl: a client that checks everything passes each, and each can fail."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from fetching_client import CHECKS, FetchingClient

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.examination.engine import Examination, SituationResult, examine
from mfp_sim.examination.findings import kind_of
from mfp_sim.examination.judging import Conduct, Observation
from mfp_sim.examination.program import ClientVerb, End, Person, Task, VerbResult
from mfp_sim.examination.reporting import report_of
from mfp_sim.examination.situations import Situation, situations
from mfp_sim.testing import Bench

FETCHES = [situation for situation in situations() if situation.verbs[0].startswith("get-")]
BELIEVED = "it accepted a reply that a client must refuse, and left what was in it"
NOT_COMPARED = "it accepted certificates without the one whose fingerprint it was given"
NOT_VOUCHED = "it accepted certificates for which the CA that it was given does not vouch"
CURRENT = "it left the certificate of the current CA instead of those of the next CA"
NOT_A_CA = "it accepted an issuer that is not a CA certificate"

MISTAKES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "fingerprint": ("warn", NOT_COMPARED, (
        "get-ca-alt-encoding", "get-ca-missing-issuer", "get-ca-rogue-ca", "get-ca-weak-ca-key",
        "get-ca-intermediate-bad-not-a-ca",
    )),
    "vouching": ("warn", NOT_VOUCHED, ("get-ca-fp-matches-decoy", "get-ca-unrelated", "get-ca-intermediate-bad")),
    "is a CA": ("warn", NOT_A_CA, ("get-ca-ca-not-a-ca", "get-ca-ca-not-a-ca-no-key-cert-sign")),
    "next signature": ("fail", BELIEVED, (
        "next-bad-signature", "next-signed-by-ee", "next-signed-by-next", "next-signed-by-stranger", "next-unsigned",
    )),
    "next is a CA": ("fail", BELIEVED, ("next-not-ca",)),
    "next is valid": ("fail", BELIEVED, ("next-expired",)),
    "next is new": ("fail", BELIEVED, ("next-replay", "next-same-cert")),
    "message": ("fail", BELIEVED, ("get-crl-multi-value",)),
    "signature": ("fail", BELIEVED, (
        "get-crl-missing-messagedigest", "get-crl-bad-message-digest", "get-crl-bad-signature",
        "get-crl-certrep-ee-signer", "get-crl-certrep-stranger-signer",
    )),
    "algorithm": ("fail", BELIEVED, ("get-crl-certrep-md5", "get-crl-certrep-des")),
    "type": ("fail", BELIEVED, (
        "get-crl-reply-unknown-type", "get-crl-reply-wrong-type", "get-crl-reply-wrong-type-4",
        "get-crl-reply-wrong-type-23",
    )),
    "transaction": ("fail", BELIEVED, (
        "get-crl-transactionid-mismatch", "get-crl-transactionid-mismatch-case-folded",
        "get-crl-transactionid-mismatch-padded", "get-crl-transactionid-mismatch-prefix",
        "get-crl-transactionid-mismatch-empty",
    )),
    "nonce": ("fail", BELIEVED, (
        "get-crl-missing-recipientnonce", "get-crl-nonce-mismatch", "get-crl-nonce-padded", "get-crl-nonce-stale",
        "get-crl-nonce-truncated",
    )),
    "status": ("fail", BELIEVED, (
        "get-crl-missing-pkistatus", "get-crl-status-undefined", "get-crl-status-undefined-4",
    )),
    "readable": ("fail", BELIEVED, ("get-crl-bad-iv", "get-crl-bad-iv-absent")),
    "CRL issuer": ("fail", BELIEVED, ("getcrl-other-issuer",)),
    "CRL signature": ("fail", BELIEVED, ("getcrl-bad-signature",)),
    "CRL date": ("fail", BELIEVED, ("getcrl-stale",)),
}  # fmt: skip
"""By the one check that a client leaves out: the verdict, why, and the situations that show it."""


def named(*ids: str) -> list[Situation]:
    found = [situation for situation in situations() if situation.id in ids]
    assert len(found) == len(ids)
    return found


def by_id(found: Examination) -> dict[str, SituationResult]:
    return {result.situation.id: result for result in found.results}


@dataclass
class Leaves:
    """Enrols as it should, and ends every other verb with ``end``, with these bytes in its file."""

    octets: bytes | None = None
    end: End = End.DONE
    asked: list[ClientVerb] = field(default_factory=list)
    name: str = "leaves"

    def run(self, verb: ClientVerb, task: Task) -> VerbResult:
        self.asked.append(verb)
        if verb == "enrol":
            self.enrolled = FetchingClient()
            return self.enrolled.run(verb, task)
        if not verb.startswith("get-"):
            return VerbResult(verb, End.UNSUPPORTED, 127, "", 0.0)
        if self.end is not End.UNSUPPORTED:
            (self.enrolled if verb == "get-crl" else FetchingClient()).run(verb, task)  # asks as it should
        task.fetched_file.unlink(missing_ok=True)
        if self.octets is not None:
            task.fetched_file.write_bytes(self.octets)
        return VerbResult(verb, self.end, {End.DONE: 0, End.REFUSED: 1}.get(self.end, 127), "", 0.0)


def test_a_client_that_checks_everything_passes_every_situation() -> None:
    found = examine(FetchingClient(), FETCHES, timeout=2.0)
    assert len(FETCHES) > 130
    assert {r.situation.id: r.because for r in found.results if r.verdict is not CheckVerdict.PASS} == {}
    assert found.controlled


def test_a_credulous_client_fails_every_situation_in_which_it_must_refuse() -> None:
    found = by_id(examine(FetchingClient(frozenset(CHECKS)), FETCHES, timeout=2.0))
    wrong = {name: (r.verdict.word, r.because) for name, r in found.items() if r.verdict is not CheckVerdict.PASS}
    must = {situation.id: situation.word for situation in FETCHES}
    expected = {"fetches-nothing": ("fail", BELIEVED), "fetches-ca": ("warn", NOT_A_CA),
                "fetches-malformed": ("finding", "it read a malformed reply, which was the CA's own")}  # fmt: skip
    # Where there is no next CA, it leaves the one that it has.
    none = ("get-next-ca-not-offered", "caps-lie-getnextcacert", "caps-upgrade", "next-501", "next-empty")
    assert {name: judged for name, judged in wrong.items() if must[name] in expected} == {
        **{name: expected[word] for name, word in must.items() if word in expected},
        **dict.fromkeys(none, ("warn", CURRENT)),
    }
    compared = {name for name, word in must.items() if word == "compares"}
    assert {name: wrong[name][0] for name in compared} == dict.fromkeys(compared, "warn")
    assert {wrong[name][1] for name in compared} == {NOT_COMPARED, NOT_VOUCHED}
    kinds = {(r.seen.conduct, kind_of(r, r.verdict.word)) for r in found.values() if r.verdict is CheckVerdict.FAIL}
    assert kinds == {(Conduct.FETCHED, "security"), (Conduct.OTHER, "security")}
    assert {kind_of(found[name], "warn") for name in none} == {"interoperability"}


@pytest.mark.parametrize("check", MISTAKES)
def test_a_client_that_leaves_out_one_check_fails_the_situations_of_this_check(check: str) -> None:
    verdict, because, ids = MISTAKES[check]
    found = by_id(examine(FetchingClient(frozenset({check})), named(*ids), timeout=2.0))
    verbs = {situation.verbs[0] for situation in named(*ids)}
    expected = dict.fromkeys(verbs, ("pass", "it left what it was asked to fetch")) | dict.fromkeys(
        ids, (verdict, because)
    )
    assert {name: (found[name].verdict.word, found[name].because) for name in expected} == expected


def test_every_check_of_the_client_has_its_situations() -> None:
    """The one that is left: whether it asks a CA that does not advertise GetNextCACert shows in its messages."""
    assert set(CHECKS) - set(MISTAKES) == {"advertised"}
    chosen = named("get-next-ca-not-offered")
    for without, rows in ((frozenset[str](), 0), (frozenset({"advertised"}), 1)):
        found = examine(FetchingClient(without), chosen, timeout=2.0)
        report = report_of(found, command="", client="", begun="")
        assert [check.id for check in report.checks].count("message-scep-4.7-03") == rows
    report = report_of(found, command="", client="", begun="", waived={"message-scep-4.7-03": "known"})
    assert [check.waived for check in report.checks if check.id.startswith("message-")] == ["known"]
    assert [finding.waived for finding in report.findings if "messages" in finding.title] == [True]


@pytest.mark.parametrize("verb", ["get-ca", "get-next-ca", "get-crl"])
def test_the_refusals_of_a_client_that_cannot_fetch_prove_nothing(verb: ClientVerb) -> None:
    chosen = [s for s in FETCHES if s.verbs[0] == verb and s.word == "fetches-nothing"][:3]
    found = examine(Leaves(end=End.REFUSED), chosen, timeout=2.0)
    results = by_id(found)
    assert found.controlled, "it enrols"
    assert (results[verb].verdict.word, results[verb].because) == (
        "warn", "it fetched nothing, although nothing was wrong",
    )  # fmt: skip
    assert {(results[s.id].verdict.word, results[s.id].because) for s in chosen} == {
        ("inconclusive", f"a control failed: {verb} did not succeed although nothing was wrong")
    }


def test_a_verb_that_a_client_does_not_support_is_tried_once() -> None:
    client = Leaves(end=End.UNSUPPORTED)
    found = examine(client, [s for s in FETCHES if s.verbs[0] == "get-crl"], timeout=2.0)
    told = {(r.verdict.word, r.because) for r in found.results if r.situation.verbs[0] == "get-crl"}
    assert told == {("not-applicable", "it does not support this")}
    assert client.asked == ["enrol", "enrol", "get-crl", "enrol", "version"]


@pytest.mark.parametrize(
    ("octets", "verdict", "because"),
    [
        (None, "fail", "it says that it is done, but left no file"),
        (b"nonsense", "fail", "it left a file without a {object}"),
        (b"-----BEGIN {label}-----\nAAA\n-----END {label}-----\n", "fail", "it left a file without a {object}"),
        (b"-----BEGIN OTHER-----\nAAAA\n-----END OTHER-----\n", "fail", "it left a file without a {object}"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "label", "noun"),
    [("get-ca", b"CERTIFICATE", "certificate"), ("get-crl", b"X509 CRL", "CRL")],
)
def test_a_file_that_is_not_what_was_asked_for_fails(
    verb: str, label: bytes, noun: str, octets: bytes | None, verdict: str, because: str
) -> None:
    left = None if octets is None else octets.replace(b"{label}", label)
    result = by_id(examine(Leaves(left), named(verb), timeout=2.0))[verb]
    assert (result.verdict.word, result.because) == (verdict, because.format(object=noun))


@pytest.mark.parametrize("verb", ["get-ca", "get-next-ca", "get-crl"])
def test_nothing_but_what_was_asked_for_is_right(verb: str) -> None:
    """Another PKI's certificate or CRL beside the right one, and instead of it."""
    others = {name: FetchingClient(frozenset(CHECKS)) for name in ("get-ca-rogue-ca", "getcrl-other-issuer")}
    foreign: dict[str, bytes] = {}

    @dataclass
    class Keeps:
        client: FetchingClient
        name: str = "keeps"

        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            ended = self.client.run(verb, task)
            if task.fetched_file.exists():
                foreign[verb] = task.fetched_file.read_bytes()
            return ended

    (name,) = [name for name in others if name.startswith("getcrl") == (verb == "get-crl")]
    examine(Keeps(others[name]), named(name), timeout=2.0)
    other = foreign["get-crl" if verb == "get-crl" else "get-ca"]

    @dataclass
    class Adds:
        beside: bool
        name: str = "adds"
        client: FetchingClient = field(default_factory=FetchingClient)

        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            ended = self.client.run(verb, task)
            if verb.startswith("get-"):
                own = task.fetched_file.read_bytes()
                task.fetched_file.write_bytes(pem(own) + pem(other) if self.beside else other)
            return ended

    verdicts = {
        "get-ca": ("warn", NOT_VOUCHED, "warn", NOT_COMPARED),
        "get-next-ca": ("warn", "it accepted certificates that are of neither the CA nor the next CA",
                        "fail", "it left no certificate of the next CA, but others"),
        "get-crl": ("fail", "it accepted more CRLs than that of the CA",
                    "fail", "it accepted a CRL that is not of the CA, does not verify, or is not current"),
    }  # fmt: skip
    beside, instead = (by_id(examine(Adds(b), named(verb), timeout=2.0))[verb] for b in (True, False))
    assert (beside.verdict.word, beside.because, instead.verdict.word, instead.because) == verdicts[verb]
    assert kind_of(beside, beside.verdict.word) == kind_of(instead, instead.verdict.word) == "security"


def pem(octets: bytes) -> bytes:
    """A CRL in DER as PEM; what is PEM stays."""
    if octets.startswith(b"-----BEGIN"):
        return octets
    return b"-----BEGIN X509 CRL-----\n" + base64.encodebytes(octets) + b"-----END X509 CRL-----\n"


def test_the_current_ca_is_not_the_next_ca() -> None:
    @dataclass
    class Mistakes:
        client: FetchingClient = field(default_factory=FetchingClient)
        name: str = "mistakes"

        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            ended = self.client.run(verb, task)
            if verb == "get-next-ca":
                task.fetched_file.write_bytes(task.ca.der)
            return ended

    result = by_id(examine(Mistakes(), named("get-next-ca"), timeout=2.0))["get-next-ca"]
    assert (result.verdict.word, result.because) == ("warn", CURRENT)
    assert kind_of(result, result.verdict.word) == "interoperability"


def test_a_crl_that_costs_the_certificate_fails() -> None:
    @dataclass
    class Careless:
        client: FetchingClient = field(default_factory=FetchingClient)
        name: str = "careless"

        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            ended = self.client.run(verb, task)
            if verb == "get-crl":
                task.key_file.unlink()
            return ended

    result = by_id(examine(Careless(), named("get-crl"), timeout=2.0))["get-crl"]
    assert (result.verdict.word, result.because) == ("fail", "it no longer has its earlier certificate, or its key")


def test_a_person_is_asked_whether_a_device_accepted_what_it_fetched(tmp_path) -> None:
    task = Task("http://127.0.0.1:1/scep", "CN=x", "s3cret", Bench().ca.authority.issuer.certificate, tmp_path, 0.5)
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "e"

    rows: list[tuple[ClientVerb, Conduct, str]] = [
        ("get-crl", Conduct.FETCHED, "acc[e]pted it"), ("enrol", Conduct.ENROLLED, "[e]nrolled"),
    ]  # fmt: skip
    for verb, conduct, words in rows:
        result = Person(answer, lambda line: None).run(verb, task)
        assert Observation((result,), ()).conduct is conduct
        assert words in questions[-1]
