"""The client's transaction against the mock: each state, each policy, each edge, and what it keeps over a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import pytest

from mfp_sim.client import exchange
from mfp_sim.client.exchange import (
    BadReply,
    ClientPolicy,
    ClientTransaction,
    Enrolment,
    Failed,
    HttpError,
    Issued,
    Lost,
    Outcome,
    Pending,
    Predecessor,
    Snapshot,
)
from mfp_sim.client.stages import State
from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import (
    AlgorithmRefused,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    DocumentError,
    TransportError,
)
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.scep.messages import Note
from mfp_sim.shared.scep.vocabulary import MessageType, PkiStatus
from mfp_sim.shared.simtime import Entropy, FrozenClock, PassingClock, PooledKeys
from mfp_sim.testing import Bench
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.service import ScepService

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
SUBJECT = x509.name(("CN", "printer-1.example"))


@dataclass
class Parties:
    """A CA and one client of it."""

    clock: PassingClock
    service: ScepService
    transaction: ClientTransaction
    requests: list[HttpRequest]

    def answer(self) -> HttpReply:
        request = self.transaction.next_request()
        self.requests.append(request)
        return reply_of(self.service.handle(request, "192.0.2.10").octets)

    def inquiry(self) -> Outcome:
        for _ in range(9):
            outcome = self.transaction.received(self.answer())
            if outcome is not None:
                return outcome
        raise AssertionError("the inquiry does not end")

    def up_to(self, state: State) -> None:
        while self.transaction.state is not state:
            assert self.transaction.received(self.answer()) is None

    @property
    def operations(self) -> list[str]:
        return [entry.name for entry in self.service.journal.entries]


@pytest.fixture
def parties() -> Callable[..., Parties]:
    def make(
        script: str = "[]", *, profile: str = "rfc8894", policy: ClientPolicy | None = None, ra: Literal["none", "split"] = "none",
        predecessor: Predecessor | None = None, service: ScepService | None = None, clock: FrozenClock | None = None,
        digest: str | None = None, **changes: Any,
    ) -> Parties:  # fmt: skip
        shape = replace(profile_named(profile), **changes)
        bench = Bench(profile=shape, script=script, ra=ra, challenge=None, start=NOON, clock=clock, seed=11)
        here, service = bench.clock, service or bench.ca
        key = PooledKeys(bench.entropy.fork("clients" if predecessor is None else "later"), side=0).rsa(2048)
        now = here.now()
        signer = x509.self_signed(
            key, subject=SUBJECT, serial=1, not_before=now - timedelta(hours=1), not_after=now + timedelta(days=9)
        )
        enrolment = Enrolment(
            key, csrs.build(key, subject=SUBJECT), signer, "t-1", SUBJECT, digest=digest, predecessor=predecessor
        )
        transaction = ClientTransaction(
            enrolment, target="/scep", policy=policy or ClientPolicy(), entropy=Entropy(1), clock=here
        )
        return Parties(here, service, transaction, [])

    return make


def test_a_request_goes_through_its_states(parties) -> None:
    here = parties()
    told = []
    for _ in range(3):
        told.append((here.transaction.state, here.transaction.operation))
        outcome = here.transaction.received(here.answer())
    assert told == [(State.CAPS, "GetCACaps"), (State.CA_CERT, "GetCACert"), (State.SUBMIT, "PKCSReq")]
    assert isinstance(outcome, Issued)
    assert (here.transaction.state, here.transaction.operation) == (State.DONE, "done")
    assert outcome.certificate.subject == SUBJECT
    assert [c.der for c in outcome.chain] == [here.service.authority.issuer.certificate.der]
    assert [request.method for request in here.requests] == ["GET", "GET", "POST"]
    assert here.transaction.algorithms == ("sha256", "aes-128-cbc")
    assert [state.value for state in State] == ["GetCACaps", "GetCACert", "PKCSReq", "CertPoll", "done"]


def test_a_certificate_that_comes_alone_has_no_chain(parties) -> None:
    outcome = parties(ca_in_reply=False).inquiry()
    assert isinstance(outcome, Issued)
    assert outcome.chain == ()


def test_a_pending_request_is_polled_until_it_is_decided(parties) -> None:
    here = parties("[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: {pending: 2}}]")
    nonces = []
    for number in range(4):
        outcome = here.inquiry()
        nonces.append(here.transaction._nonce)
        assert isinstance(outcome, Pending if number < 3 else Issued)
        here.transaction.resume()
    assert here.operations == ["GetCACaps", "GetCACert", "PKCSReq", "CertPoll", "CertPoll", "CertPoll"]
    assert len(set(nonces)) == 4
    assert {len(nonce) for nonce in nonces} == {16}


@pytest.mark.parametrize("number", range(5))
def test_a_failure_is_told_as_it_came(parties, number: int) -> None:
    here = parties(f"[{{when: {{type: PKCSReq}}, then: {{failure: {number}, text: mine}}}}]")
    assert here.inquiry() == Failed(number, "mine")
    assert here.transaction.state is State.DONE


def test_capabilities_that_cannot_be_had_are_none(parties) -> None:
    here = parties("[{when: {operation: GetCACaps}, then: {http: 404}}]")
    assert isinstance(here.inquiry(), Issued)
    assert here.transaction.capabilities.keywords == ()
    assert here.transaction.algorithms == ("sha1", "des-ede3-cbc")
    assert [request.method for request in here.requests] == ["GET", "GET", "GET"]


def test_a_digest_that_is_given_is_taken(parties) -> None:
    here = parties(digest="sha512")
    assert isinstance(here.inquiry(), Issued)
    assert here.transaction.algorithms == ("sha512", "aes-128-cbc")


# --- what is lost -----------------------------------------------------------------------------------------


def _lost(sent: bool, kind: type[TransportError] = ConnectionLost) -> TransportError:
    error = kind("gone")
    error.sent = sent
    return error


def test_capabilities_that_are_cut_off_are_none_and_all_else_is_lost(parties) -> None:
    here = parties()
    assert here.transaction.lost(_lost(True)) is None
    assert here.transaction.state is State.CA_CERT
    for state, operation in ((State.CA_CERT, "GetCACert"), (State.SUBMIT, "PKCSReq"), (State.POLL, "CertPoll")):
        here.transaction.stage = replace(here.transaction.stage, state=state)
        error = _lost(True)
        assert here.transaction.lost(error) == Lost(error, operation)
        assert here.transaction.state is state
    here.transaction.stage = replace(here.transaction.stage, state=State.CAPS)
    refused = _lost(False, ConnectFailed)
    assert here.transaction.lost(refused) == Lost(refused, "GetCACaps")


@pytest.mark.parametrize("resend", ["same", "CertPoll", "new-transaction"])
@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("state", [State.CA_CERT, State.SUBMIT, State.POLL])
def test_a_lost_request_is_polled_for_only_where_it_was_sent_and_the_policy_says_so(
    parties, resend, sent: bool, state: State
) -> None:
    transaction = parties(policy=ClientPolicy(resend=resend)).transaction
    transaction.stage = replace(transaction.stage, state=state)
    transaction.lost(_lost(sent))
    transaction.resume()
    polls = state is State.SUBMIT and sent and resend == "CertPoll"
    assert transaction.state is (State.POLL if polls else state)


@pytest.mark.parametrize(
    ("state", "then"), [(State.SUBMIT, State.POLL), (State.POLL, State.POLL), (State.CA_CERT, State.CA_CERT)]
)
def test_what_was_pending_is_polled_after_the_ca_was_asked_again(parties, state: State, then: State) -> None:
    here = parties()
    here.up_to(State.SUBMIT)
    here.transaction.stage = replace(here.transaction.stage, pending=True)
    here.transaction.stage = replace(here.transaction.stage, state=state)
    here.transaction.resume()
    assert here.transaction.state is then
    here.transaction.stage = replace(here.transaction.stage, state=State.CA_CERT)
    assert here.transaction.received(here.answer()) is None
    assert here.transaction.state is State.POLL


# --- what is refused --------------------------------------------------------------------------------------


def _signed(here: Parties, **changes: object) -> HttpReply:
    """A CertRep to the first PKCSReq, with other fields than the CA's."""
    here.up_to(State.SUBMIT)
    return _answered(here, **changes)


def _answered(here: Parties, **changes: Any) -> HttpReply:
    """A CertRep to what is asked now, with other fields than the CA's; it says PENDING."""
    request = messages.decode(here.transaction.next_request().body)
    plan = messages.CertRep(
        status=PkiStatus.PENDING,
        transaction_id=request.transaction_id,
        recipient_nonce=request.sender_nonce,
        sender_nonce=bytes(16),
    )
    return HttpReply(200, "", (), _encoded(here, replace(plan, **changes)))


def _encoded(here: Parties, plan: messages.CertRep) -> bytes:
    ca = here.service.authority.issuer
    return messages.encode_cert_rep(
        plan, signer_key=ca.key, signer_certificate=ca.certificate, octets=Entropy(3).octets
    )


Reply = Callable[[Parties], HttpReply | TransportError]
"""What comes of the request that the client would send now."""


def _certrep(**changes: object) -> Reply:
    return lambda here: _answered(here, **changes)


def _broken(here: Parties) -> HttpReply:
    reply = _answered(here)
    return replace(reply, body=reply.body[:-1] + bytes([reply.body[-1] ^ 1]))


def _strangers(here: Parties) -> HttpReply:
    reply = _answered(here)
    here.transaction.ca_certificates = ()
    return reply


REPLIES: dict[str, Reply] = {
    "the CA's": lambda here: here.answer(),
    "HTTP 404": lambda here: HttpReply(404, "", (), b""),
    "HTTP 201": lambda here: HttpReply(201, "", (), b"x"),
    "empty": lambda here: HttpReply(200, "", (), b""),
    "a web page": lambda here: HttpReply(200, "", (("Content-Type", "text/html"),), b"<html>"),
    "cut off": lambda here: _lost(True),
    "out of time": lambda here: _lost(True, DeadlineExceeded),
    "never sent": lambda here: _lost(False, ConnectFailed),
    "PENDING": _certrep(),
    "FAILURE badRequest": _certrep(status=2, fail_info=2),
    "status 5": _certrep(status=5),
    "a PKCSReq": _certrep(message_type=MessageType.PKCS_REQ),
    "another transactionID": _certrep(transaction_id="t-2"),
    "another nonce": _certrep(recipient_nonce=bytes(16)),
    "a broken signature": _broken,
    "a stranger's": _strangers,
}
STATES = [
    # asked        what comes                what it is                            what is asked then
    ("GetCACaps", "the CA's", "goes on", "GetCACert"),
    ("GetCACaps", "HTTP 404", "goes on", "GetCACert"),
    ("GetCACaps", "HTTP 201", "goes on", "GetCACert"),
    ("GetCACaps", "empty", "goes on", "GetCACert"),
    ("GetCACaps", "a web page", "goes on", "GetCACert"),
    ("GetCACaps", "cut off", "goes on", "GetCACert"),
    ("GetCACaps", "out of time", "lost", "GetCACaps"),
    ("GetCACaps", "never sent", "lost", "GetCACaps"),
    ("GetCACert", "the CA's", "goes on", "PKCSReq"),
    ("GetCACert", "HTTP 404", "HTTP 404", "GetCACert"),
    ("GetCACert", "HTTP 201", "HTTP 201", "GetCACert"),
    ("GetCACert", "empty", "bad reply: bad-ca-certificates", "GetCACert"),
    ("GetCACert", "a web page", "bad reply: bad-ca-certificates", "GetCACert"),
    ("GetCACert", "cut off", "lost", "GetCACert"),
    ("GetCACert", "out of time", "lost", "GetCACert"),
    ("GetCACert", "never sent", "lost", "GetCACert"),
    ("PKCSReq", "the CA's", "issued", "done"),
    ("PKCSReq", "HTTP 404", "HTTP 404", "PKCSReq"),
    ("PKCSReq", "HTTP 201", "HTTP 201", "PKCSReq"),
    ("PKCSReq", "empty", "bad reply: unreadable", "PKCSReq"),
    ("PKCSReq", "a web page", "bad reply: unreadable", "PKCSReq"),
    ("PKCSReq", "cut off", "lost", "PKCSReq"),
    ("PKCSReq", "out of time", "lost", "PKCSReq"),
    ("PKCSReq", "never sent", "lost", "PKCSReq"),
    ("PKCSReq", "PENDING", "pending", "PKCSReq"),
    ("PKCSReq", "FAILURE badRequest", "failed: 2", "done"),
    ("PKCSReq", "status 5", "bad reply: undefined-status", "PKCSReq"),
    ("PKCSReq", "a PKCSReq", "bad reply: wrong-message-type", "PKCSReq"),
    ("PKCSReq", "another transactionID", "bad reply: wrong-transaction", "PKCSReq"),
    ("PKCSReq", "another nonce", "bad reply: wrong-nonce", "PKCSReq"),
    ("PKCSReq", "a broken signature", "bad reply: bad-signature", "PKCSReq"),
    ("PKCSReq", "a stranger's", "bad reply: unknown-signer", "PKCSReq"),
    ("CertPoll", "the CA's", "issued", "done"),
    ("CertPoll", "HTTP 404", "HTTP 404", "CertPoll"),
    ("CertPoll", "HTTP 201", "HTTP 201", "CertPoll"),
    ("CertPoll", "empty", "bad reply: unreadable", "CertPoll"),
    ("CertPoll", "a web page", "bad reply: unreadable", "CertPoll"),
    ("CertPoll", "cut off", "lost", "CertPoll"),
    ("CertPoll", "out of time", "lost", "CertPoll"),
    ("CertPoll", "never sent", "lost", "CertPoll"),
    ("CertPoll", "PENDING", "pending", "CertPoll"),
    ("CertPoll", "FAILURE badRequest", "failed: 2", "done"),
    ("CertPoll", "status 5", "bad reply: undefined-status", "CertPoll"),
    ("CertPoll", "a PKCSReq", "bad reply: wrong-message-type", "CertPoll"),
    ("CertPoll", "another transactionID", "bad reply: wrong-transaction", "CertPoll"),
    ("CertPoll", "another nonce", "bad reply: wrong-nonce", "CertPoll"),
    ("CertPoll", "a broken signature", "bad reply: bad-signature", "CertPoll"),
    ("CertPoll", "a stranger's", "bad reply: unknown-signer", "CertPoll"),
]
"""The specification of the transaction under its default policy, RFC 8894 2.2 and 3; what is asked next after a loss is
A-34's. The CertReps that come are right but for what they are named by."""


def _in_words(outcome: Outcome | None) -> str:
    match outcome:
        case None:
            return "goes on"
        case BadReply(reason, _):
            return f"bad reply: {reason}"
        case Failed(number, _):
            return f"failed: {number}"
        case HttpError(status):
            return f"HTTP {status}"
        case _:
            return type(outcome).__name__.lower()


def _asking(parties: Callable[..., Parties], state: State) -> Parties:
    """A transaction that asks this next; it polls for what the CA let wait."""
    here = parties("[{when: {type: PKCSReq}, then: pending}]" if state is State.POLL else "[]")
    if state is State.POLL:
        assert here.inquiry() == Pending()
        here.transaction.resume()
    here.up_to(state)
    return here


@pytest.mark.parametrize(("asked", "comes", "outcome", "then"), STATES)
def test_what_each_reply_leads_to(parties, asked: str, comes: str, outcome: str, then: str) -> None:
    here = _asking(parties, State(asked))
    reply = REPLIES[comes](here)
    take = here.transaction.lost if isinstance(reply, TransportError) else here.transaction.received
    assert _in_words(take(reply)) == outcome  # type: ignore[arg-type]
    assert here.transaction.state.value == then


def test_each_reply_is_looked_at_in_each_state_that_it_can_come_in() -> None:
    rows = [(asked, comes) for asked, comes, *_ in STATES]
    assert len(set(rows)) == len(rows) == 48
    plain = list(REPLIES)[:8]
    wanted = {(state.value, comes) for state in State if state is not State.DONE for comes in REPLIES}
    assert set(rows) == {
        (asked, comes) for asked, comes in wanted if asked in ("PKCSReq", "CertPoll") or comes in plain
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, Pending()),
        (
            {"transaction_id": "t-2"},
            BadReply("wrong-transaction", "the CertRep's transactionID is not that of the request"),
        ),
        (
            {"recipient_nonce": bytes(16)},
            BadReply("wrong-nonce", "the CertRep's recipientNonce is not the request's senderNonce"),
        ),
        ({"status": 2, "fail_info": 1, "fail_info_text": "no"}, Failed(1, "no")),
    ],
)
def test_what_has_to_hold_before_a_status_means_anything(parties, changes, told) -> None:
    here = parties()
    reply = _signed(here, **changes)
    assert here.transaction.received(reply) == told
    assert here.transaction.state is (State.DONE if isinstance(told, Failed) else State.SUBMIT)


@pytest.mark.parametrize("status", [2, 3])
def test_a_signature_that_is_broken_or_anothers_counts_for_every_status(parties, status: int) -> None:
    here = parties()
    reply = _signed(here, status=status, fail_info=2 if status == 2 else None)
    broken = replace(reply, body=reply.body[:-1] + bytes([reply.body[-1] ^ 1]))
    outcome = here.transaction.received(broken)
    assert isinstance(outcome, BadReply)
    assert outcome.reason == "bad-signature"
    here.transaction.ca_certificates = ()
    assert here.transaction.received(reply) == BadReply(
        "unknown-signer", "the CertRep's signer is not among the certificates of GetCACert"
    )


@pytest.mark.parametrize(
    ("weak", "digest", "refused"),
    [("use", "sha1", False), ("refuse", "sha1", True), ("refuse", "sha256", False), ("use", "sha512", False)],
)
def test_weak_signatures_are_refused_by_the_policy(parties, weak, digest: str, refused: bool) -> None:
    here = parties(policy=ClientPolicy(weak_algorithms=weak))
    outcome = here.transaction.received(_signed(here, digest=digest))
    words = BadReply("refused-algorithm", "the CertRep is signed with sha1, which is refused")
    assert outcome == (words if refused else Pending())


def test_md5_is_refused_always(parties) -> None:
    here = parties()
    outcome = here.transaction.received(_signed(here, digest="md5", oddities=messages.Oddities(md5=True)))
    assert outcome == BadReply("refused-algorithm", "the CertRep is signed with md5, which is refused")


@pytest.mark.parametrize(
    ("caps", "refused"),
    [
        (("AES", "SHA-256"), None),
        (("SHA-256", "DES3"), "expected SHA-2 and AES, got sha256 and des-ede3-cbc"),
        (("AES", "SHA-1"), "expected SHA-2 and AES, got sha1 and aes-128-cbc"),
        ((), "expected SHA-2 and AES, got sha1 and des-ede3-cbc"),
    ],
)
def test_weak_algorithms_are_not_sent_where_the_policy_refuses_them(parties, caps, refused: str | None) -> None:
    for weak in ("use", "refuse"):
        here = parties(policy=ClientPolicy(weak_algorithms=weak))
        here.up_to(State.SUBMIT)
        here.transaction.capabilities = replace(here.transaction.capabilities, keywords=caps)
        if refused is None or weak == "use":
            assert here.transaction.next_request().target.startswith("/scep?operation=PKIOperation")
            continue
        with pytest.raises(AlgorithmRefused) as error:
            here.transaction.next_request()
        assert str(error.value) == f"GetCACaps at byte 0: {refused}"


BODIES = [
    (b"", "expected a SCEP message, got an empty body"),
    (b" \r\n", "expected a SCEP message, got an empty body"),
    (b"<html>", "the CertRep is not readable: CertRep at byte 0: expected a SCEP message, got an HTML or XML page"),
    (b"  \n <!DOCTYPE", "expected a SCEP message, got an HTML or XML page"),
    (b"-----BEGIN PKCS7-----", "expected a SCEP message, got PEM text"),
    (b"0\x00", "is not readable"),
    (b" " * 200 + b"<html>", "got an empty body"),
    (b"hello", "is not readable"),
]


@pytest.mark.parametrize(("body", "words"), BODIES)
def test_what_is_no_message_is_told_in_words(parties, body: bytes, words: str) -> None:
    here = parties()
    here.up_to(State.SUBMIT)
    here.transaction.next_request()
    outcome = here.transaction.received(HttpReply(200, "", (), body))
    assert isinstance(outcome, BadReply)
    assert outcome.reason == "unreadable"
    assert words in outcome.diagnosis
    assert isinstance(here.transaction.reply, Exception)


def test_what_get_ca_cert_gives_is_looked_at(parties) -> None:
    here = parties()
    here.up_to(State.CA_CERT)
    outcome = here.transaction.received(HttpReply(200, "", (("Content-Type", "application/x-x509-ca-cert"),), b"x"))
    assert isinstance(outcome, BadReply)
    assert outcome.reason == "bad-ca-certificates"
    assert outcome.diagnosis.startswith("the reply to GetCACert cannot be used: ")
    assert here.transaction.state is State.CA_CERT


@pytest.mark.parametrize(
    ("cipher", "policy", "refused"),
    [
        ("des-cbc", ClientPolicy(), "des-cbc"),
        ("des-cbc", ClientPolicy(weak_algorithms="refuse"), "des-cbc"),
        ("des-cbc", ClientPolicy(read_single_des=True), None),
        ("des-cbc", ClientPolicy(read_single_des=True, weak_algorithms="refuse"), None),
        ("des-ede3-cbc", ClientPolicy(), None),
        ("des-ede3-cbc", ClientPolicy(read_single_des=True, weak_algorithms="refuse"), "des-ede3-cbc"),
        ("des-ede3-cbc", ClientPolicy(weak_algorithms="refuse"), "des-ede3-cbc"),
        ("aes-256-cbc", ClientPolicy(weak_algorithms="refuse"), None),
    ],
)
def test_which_ciphers_of_a_reply_are_taken(parties, cipher: str, policy: ClientPolicy, refused: str | None) -> None:
    here = parties(reply_cipher=cipher, policy=policy)
    outcome = here.inquiry()
    if refused:
        assert outcome == BadReply("refused-algorithm", f"the CertRep uses {refused}, which is refused")
        return
    assert isinstance(outcome, Issued)
    note = Note("SCEP-2.9-09", "pkcsPKIEnvelope", "the reply is encrypted with single DES")
    assert (note in here.transaction.notes) is (cipher == "des-cbc")


def test_what_is_wrong_inside_a_good_signature_is_told(parties) -> None:
    here = parties()
    told = BadReply("wrong-message-type", "the reply's messageType is PKCSReq, not CertRep")
    assert here.transaction.received(_signed(here, message_type=MessageType.PKCS_REQ)) == told
    here = parties()
    assert here.transaction.received(_signed(here, status=5)) == BadReply("undefined-status", "pkiStatus is 5")
    here = parties("[{when: {type: PKCSReq}, faults: [env-wrong-recipient]}]")
    outcome = here.inquiry()
    assert isinstance(outcome, BadReply)
    assert (outcome.reason, bool(outcome.diagnosis)) == ("unusable", True)


@pytest.mark.parametrize("operation", ["GetCACert", "PKIOperation"])
def test_what_is_odd_in_a_reply_is_noted(parties, operation: str) -> None:
    fault = "getcacert-signed" if operation == "GetCACert" else "digest-alg-mismatch"
    here = parties(f"[{{when: {{operation: {operation}}}, faults: [{fault}]}}]")
    plain = parties()
    assert isinstance(here.inquiry(), Issued)
    assert isinstance(plain.inquiry(), Issued)
    assert len(here.transaction.notes) > len(plain.transaction.notes)


# --- the certificate --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "side", "told"),
    [
        ("refuse", "early", "not-valid-now"),
        ("register", "early", None),
        ("refuse", "late", "not-valid-now"),
        ("register", "late", "not-valid-now"),
        ("refuse", "first", None),
        ("refuse", "last", None),
    ],
)
def test_a_certificate_is_taken_from_its_first_second_to_its_last(parties, policy, side: str, told) -> None:
    here = parties(policy=ClientPolicy(not_yet_valid=policy))
    here.up_to(State.SUBMIT)
    reply = here.answer()
    (certificate,) = [entry.certificate for entry in here.service.ledger.entries]
    second = timedelta(seconds=1)
    now = {
        "early": certificate.not_before - second, "first": certificate.not_before, "last": certificate.not_after,
        "late": certificate.not_after + second,
    }[side]  # fmt: skip
    here.transaction._clock = FrozenClock(now)
    outcome = here.transaction.received(reply)
    span = f"from {certificate.not_before:%Y-%m-%d %H:%M:%S} to {certificate.not_after:%Y-%m-%d %H:%M:%S} UTC"
    early = [note for note in here.transaction.notes if note.requirement == "SCEP-3.3.2.1-13"]
    if told:
        assert outcome == BadReply(told, f"the certificate is valid {span}")
        assert here.transaction.state is State.SUBMIT
    else:
        assert isinstance(outcome, Issued)
        wanted = [Note("SCEP-3.3.2.1-13", "CertRep", f"the certificate is not valid yet: {span}")]
        assert early == (wanted if side == "early" else [])


def test_an_authority_is_valid_from_its_first_second_to_its_last(parties) -> None:
    ca = parties().service.authority.issuer.certificate
    second = timedelta(seconds=1)
    for now, noted in (
        (ca.not_before - second, True), (ca.not_before, False), (ca.not_after, False), (ca.not_after + second, True),
    ):  # fmt: skip
        here = parties()
        here.up_to(State.CA_CERT)
        reply = here.answer()
        here.transaction._clock = FrozenClock(now)
        assert here.transaction.received(reply) is None
        span = f"from {ca.not_before:%Y-%m-%d %H:%M:%S} to {ca.not_after:%Y-%m-%d %H:%M:%S} UTC"
        text = f"{ca.subject_text} is not valid now: {span}"
        assert here.transaction.notes == ([Note("SCEP-3.3.2.1-13", "GetCACert", text)] if noted else [])


def test_another_subject_is_noted_and_taken(parties) -> None:
    here = parties()
    here.up_to(State.SUBMIT)
    reply = here.answer()
    other = x509.name(("CN", "another"))
    here.transaction.enrolment = replace(here.transaction.enrolment, subject=other)
    assert isinstance(here.transaction.received(reply), Issued)
    assert here.transaction.notes == [
        Note("SCEP-3.3.2.1-12", "CertRep", "the certificate is for CN=printer-1.example, not for CN=another")
    ]


def test_a_certificate_for_another_key_or_of_another_issuer_is_refused(parties) -> None:
    here = parties()
    here.up_to(State.SUBMIT)
    outcome = here.transaction.received(here.answer())
    assert isinstance(outcome, Issued)
    foreign = PooledKeys(Entropy(77), side=0).rsa(2048)
    enrolment = here.transaction.enrolment
    here.transaction.enrolment = replace(enrolment, key=foreign)
    told = BadReply("wrong-key", "no certificate of the CertRep is for the key of the request")
    assert here.transaction._fitting((outcome.certificate,)) == told
    here.transaction.enrolment = enrolment
    here.transaction.ca_certificates = (enrolment.signer,)
    told = BadReply("wrong-issuer", "the certificate was not issued by a CA of GetCACert or of the CertRep")
    assert here.transaction._fitting((outcome.certificate,)) == told
    here.transaction.ca_certificates = (here.service.authority.issuer.certificate,)
    forged = x509.issue(
        serial=5, issuer=here.service.authority.issuer.certificate.subject, subject=SUBJECT, spki=x509.spki_of(enrolment.key),
        not_before=NOON, not_after=NOON + timedelta(days=9), extensions=(), signing_key=foreign,
    )  # fmt: skip
    assert here.transaction._fitting((forged,)) == told, "the name of the CA, and not its signature"
    issued = here.transaction._fitting((here.service.authority.issuer.certificate, outcome.certificate))
    assert issued == Issued(outcome.certificate, (here.service.authority.issuer.certificate,))


# --- another CA meanwhile ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed_ca", "script", "operations"),
    [
        ("keep", "{failure: 1}", ["PKCSReq"]),
        ("refetch", "{failure: 1}", ["PKCSReq", "GetCACert", "PKCSReq"]),
        ("refetch", "{failure: 2}", ["PKCSReq"]),
    ],
)
def test_the_ca_is_asked_once_more_where_its_answer_speaks_of_another(parties, changed_ca, script, operations) -> None:
    here = parties(f"[{{when: {{type: PKCSReq}}, then: {script}}}]", policy=ClientPolicy(changed_ca=changed_ca))
    assert isinstance(here.inquiry(), Failed)
    assert here.operations == ["GetCACaps", "GetCACert", *operations]


def test_each_inquiry_may_ask_the_ca_once_more(parties) -> None:
    here = parties(
        "[{when: {type: PKCSReq}, faults: [certrep-stranger-signer]}]", policy=ClientPolicy(changed_ca="refetch")
    )
    for number in (1, 2):
        outcome = here.inquiry()
        assert isinstance(outcome, BadReply)
        assert outcome.reason == "unknown-signer"
        assert here.operations.count("PKCSReq") == 2 * number
        assert here.operations.count("GetCACert") == 1 + number
        here.transaction.resume()


def test_which_outcomes_speak_of_another_ca() -> None:
    speaks = exchange._speaks_of_another_ca
    assert speaks(BadReply("unknown-signer", ""))
    assert speaks(Failed(1, None))
    others: list[Outcome] = [
        BadReply("bad-signature", ""),
        Failed(2, None),
        Failed(None, None),
        Pending(),
        HttpError(500),
    ]
    assert not any(speaks(other) for other in others)


# --- renewal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "offered", "renews"),
    [
        ("first", True, True), ("last", True, True), ("before", True, False), ("after", True, False),
        ("first", False, False),
    ],
)  # fmt: skip
def test_a_certificate_of_this_ca_is_renewed_within_its_time(parties, off: str, offered: bool, renews: bool) -> None:
    first = parties()
    outcome = first.inquiry()
    assert isinstance(outcome, Issued)
    old = outcome.certificate
    here = parties(predecessor=Predecessor(old, first.transaction.enrolment.key), service=first.service)
    here.up_to(State.CA_CERT)
    if not offered:
        words = tuple(
            word for word in here.transaction.capabilities.keywords if word not in ("Renewal", "SCEPStandard")
        )
        here.transaction.capabilities = replace(here.transaction.capabilities, keywords=words)
    reply = here.answer()
    now = {
        "first": old.not_before, "last": old.not_after, "before": old.not_before - timedelta(seconds=1),
        "after": old.not_after + timedelta(seconds=1),
    }[off]  # fmt: skip
    here.transaction._clock = FrozenClock(now)
    here.transaction.received(reply)
    assert here.transaction.is_renewal is renews
    assert here.transaction.operation == ("RenewalReq" if renews else "PKCSReq")
    sent = messages.decode(here.transaction.next_request().body)
    assert sent.message_type == (MessageType.RENEWAL_REQ if renews else MessageType.PKCS_REQ)
    assert sent.signer() == (old if renews else here.transaction.enrolment.signer)


def test_a_certificate_of_another_ca_is_not_renewed(parties) -> None:
    here = parties()
    other = here.transaction.enrolment.signer
    here = parties(predecessor=Predecessor(other, here.transaction.enrolment.key))
    here.up_to(State.SUBMIT)
    assert not here.transaction.is_renewal


# --- what is kept -----------------------------------------------------------------------------------------


def test_notes_are_capped_in_number_and_length(parties) -> None:
    transaction = parties().transaction
    assert (exchange.NOTES, exchange.NOTE_LETTERS) == (100, 500)
    transaction._note("R", "p", "x" * 500)
    transaction._note("R", "p", "x" * 501)
    transaction._note("R", "p", "x" * 500)
    assert [note.text for note in transaction.notes] == ["x" * 500, "x" * 500 + "…"]
    for number in range(200):
        transaction._note("R", "p", str(number))
    assert len(transaction.notes) == 100


def test_a_transaction_goes_on_from_what_was_stored(parties) -> None:
    here = parties("[{when: {type: PKCSReq}, then: pending}]")
    assert isinstance(here.inquiry(), Pending)
    here.transaction.resume()
    stored = here.transaction.snapshot()
    words, certificates = here.transaction.capabilities.keywords, here.transaction.ca_certificates
    assert stored == Snapshot("POLL", words, certificates, pending=True, unanswered=False, renewal=False)
    other = parties(service=here.service)
    other.transaction.restore(stored)
    assert other.transaction.snapshot() == stored
    assert other.transaction.state is State.POLL
    assert isinstance(other.inquiry(), Issued)
    other_flags = replace(stored, pending=False, unanswered=True, renewal=True, state="SUBMIT")
    other.transaction.restore(other_flags)
    assert other.transaction.snapshot() == other_flags


def test_what_was_stored_is_read_from_json_and_refused_by_its_place(parties) -> None:
    stored = parties().transaction.snapshot()
    written = json.loads(json.dumps(record_of(Snapshot).write(stored)))
    assert read_json(Snapshot, written, "t") == stored
    for broken, message in [
        ({"capabilities": "AES"}, "t.capabilities: capabilities has to be a list"),
        ({"ca_certificates": ["30"]}, r"t.ca_certificates\[0\]: an entry of ca_certificates is not readable"),
        ({"state": "SUMBIT"}, r"t.state: state has to be one of .*did you mean 'SUBMIT'"),
        ({"pending": 1}, "t.pending: pending has to be true or false, not 1"),
    ]:
        with pytest.raises(DocumentError, match=message):
            read_json(Snapshot, written | broken, "t")


def test_nothing_that_shows_the_material_shows_a_key(parties) -> None:
    enrolment = parties().transaction.enrolment
    shown = repr(replace(enrolment, predecessor=Predecessor(enrolment.signer, enrolment.key)))
    assert "RSAPrivateKey" not in shown
    assert "csr=" not in shown


def test_the_policy_is_lenient_unless_it_is_told() -> None:
    assert ClientPolicy() == ClientPolicy(False, "use", "same", "refuse", "keep")
