"""Requests that are wrong in one way and must be refused for it. RFC 8894, 3 to 3.3; security."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mfp_sim.conformance import csrs
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, refusal, refused
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.outcomes import NotApplicable
from mfp_sim.conformance.registry import check, row
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep.messages import Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType

CHECK, REQUEST = FailInfo.BAD_MESSAGE_CHECK, FailInfo.BAD_REQUEST


_Cases = Sequence[tuple[str, Oddities]]


def _all_refused(
    session: Client, cases: _Cases, fitting: tuple[FailInfo, ...], unreadable: bool, mistake: str | None
) -> Iterator[Fact]:
    """Send a request with each oddity; ``unreadable``: an HTTP 4xx is a fitting reply too."""
    for what, oddities in cases:
        answer = session.ask(session.order(oddities=oddities, wrong=True), expect_refusal=True)
        if unreadable and answer.exchange.client_error and not answer.is_cms:
            yield answered("granted", True, f"{what} is refused", answer)
        else:
            # Without contentType the signature still covers the content; only the type of the content stays open.
            slug = "granted-untyped" if oddities.omit == {"contentType"} else "granted"
            more: Any = {"mistake": mistake, "granted_at_most": CheckVerdict.FINDING, "slug": slug}
            yield from refusal(answer, what, *fitting, **more)


# (id, title, requirement, request, oddities, fitting, unreadable, why, rows, mistake, defect)
_Row = tuple[
    str,
    str,
    tuple[str, ...],
    _Cases,
    tuple[FailInfo, ...],
    bool,
    str,
    tuple[str, ...],
    str,
    str,
]
_TYPE = (("messageType", (der.printable_string("19"),)),)
_ROWS: tuple[_Row, ...] = (
    ("refuses-bad-signature", "A request whose signature does not verify is refused",
     ("SCEP-3.2-05", "SCEP-3.2.1.4-03"),
     (("a signature with its last bit changed", Oddities(signature="flipped")),
      ("a transactionID changed after signing",
       Oddities(after_signing=(("transactionID", (der.printable_string("A" * 40),)),)))),
     (CHECK,), False, "Otherwise anyone who can change a request in transit can choose what is certified.", ("F-E04",),
     "the server reads the signature but never verifies it", "accepts-bad-signature"),
    ("refuses-wrong-digest", "A request with a wrong messageDigest is refused", ("SCEP-3-03", "SCEP-3.2.1.4-03"),
     (("a messageDigest of other bytes", Oddities(message_digest="wrong")),),
     (CHECK,), False, "Only the digest binds the content to the signature.", ("F-E02",),
     "the server verifies the signature over the attributes but does not compare the digest", "accepts-bad-signature"),
    ("refuses-changed-content", "A request with a changed ciphertext is refused before decryption",
     ("SCEP-3.1-01", "SCEP-3.2.1.4-03"), (("a ciphertext with one bit changed", Oddities(flip_ciphertext=True)),),
     (CHECK,), False, "A server that decrypts unsigned data can be used as a decryption oracle.", (),
     "the server opens the envelope before it verifies the signature", "http-errors"),
    ("refuses-no-signed-attributes", "A request without signed attributes is refused", ("SCEP-3.2-04",),
     (("a request signed directly over its content", Oddities(attributes="none")),),
     (CHECK, REQUEST), True, "Type, transaction and nonce would not be authenticated.", (),
     "the server searches the whole message for attributes", "grants-anything"),
    ("refuses-unsigned-attributes", "A request with unsigned SCEP attributes is refused",
     ("SCEP-3.2-04", "SCEP-3.2.1-18"), (("SCEP attributes in unsignedAttrs only", Oddities(attributes="unsigned")),),
     (CHECK, REQUEST), True, "An attacker can change unsigned attributes in transit.", (),
     "the server reads signed and unsigned attributes into one table", "accepts-malformed-attributes"),
    ("refuses-stripped-attributes", "A request with its signed attributes moved into the content is refused",
     ("SCEP-3-06",),
     (("a request with signed attributes as content, and their signature", Oddities(attributes="stripped")),),
     (CHECK, REQUEST), True, "This is the classic attack on CMS with eContentType id-data.", (),
     "the server verifies a SignerInfo without signedAttrs over the content", "crashes-on-garbage"),
    ("refuses-two-signers", "A request with two SignerInfos is refused", ("SCEP-3.2-09",),
     (("two SignerInfos with two transactions",
       Oddities(signers="two", second_signer=(("transactionID", (der.printable_string("other"),)),))),),
     (CHECK, REQUEST), True, "It is undefined which of the two counts.", (),
     "the server uses the first SignerInfo and ignores the others", "grants-anything"),
    ("refuses-no-signer", "A request without a signature is refused", ("SCEP-3.2-09",),
     (("a request without a SignerInfo", Oddities(signers="none")),),
     (CHECK, REQUEST), True, "Anyone can send such a request.", (),
     "a SignedData without signers counts as verified, since no signature is wrong", "grants-anything"),
    ("refuses-no-transactionid", "A request without transactionID is refused", ("SCEP-3.2.1-01",),
     (("a request without transactionID", Oddities(omit=frozenset({"transactionID"}))),),
     (REQUEST,), True, "A client cannot poll for it.", (), "", "accepts-malformed-attributes"),
    ("refuses-no-messagetype", "A request without messageType is refused", ("SCEP-3.2.1-02", "SCEP-3.3-01"),
     (("a request without messageType", Oddities(omit=frozenset({"messageType"}))),),
     (REQUEST,), True, "The server would have to guess the kind of request.", (),
     "the server guesses the type from the content",
     "accepts-malformed-attributes"),
    ("refuses-no-cms-attributes", "A request without contentType or messageDigest is refused", ("SCEP-3.2.1-05",),
     (("a request without messageDigest", Oddities(omit=frozenset({"messageDigest"}))),
      ("a request without contentType", Oddities(omit=frozenset({"contentType"})))),
     (CHECK, REQUEST), True, "Without messageDigest, the signature does not cover the content.", ("F-E03",),
     "the server skips the check if the attribute is missing", "accepts-bad-signature"),
    ("refuses-double-attributes", "A request with a repeated attribute, or with two values, is refused",
     ("SCEP-3.2.1-17",),
     (("a second messageType", Oddities(repeat=_TYPE)),
      ("a transactionID with two values",
       Oddities(instead=(("transactionID", (der.printable_string("A"), der.printable_string("B"))),)))),
     (REQUEST, CHECK), True, "Two readers of one message could see two different requests.", (),
     "the server uses the first or the last value", "accepts-malformed-attributes"),
    ("refuses-unencrypted", "A request that is not encrypted is refused", ("SCEP-3.1-05", "SCEP-3.2-02"),
     (("a CSR as content, without an envelope", Oddities(unencrypted=True)),),
     (REQUEST, CHECK), True, "Otherwise a faulty client sends its challenge password unencrypted, and no one notices.",
     (), "the server tries to read every content as a CSR", "grants-anything"),
    ("refuses-swapped-layers", "A request with SignedData inside EnvelopedData is refused", ("SCEP-3-01",),
     (("a request with its layers in reverse order", Oddities(layers_swapped=True)),),
     (REQUEST, CHECK), True, "The signature must be the outer layer.", (), "", "crashes-on-garbage"),
    ("refuses-garbage-content", "A signed request with random bytes as content is refused",
     ("SCEP-3.3.2.2-04", "SCEP-3.2-02"),
     (("a correctly signed request of random bytes", Oddities(content=b"\x04\x10" + bytes(range(16)))),),
     (REQUEST, CHECK), True, "Anyone could cause a crash here.", (), "", "crashes-on-garbage"),
)  # fmt: skip

_UNPROTECTED = frozenset({
    "refuses-bad-signature", "refuses-wrong-digest", "refuses-no-signed-attributes",
    "refuses-unsigned-attributes", "refuses-no-signer", "refuses-no-cms-attributes",
})  # fmt: skip
"""Requests that anyone who can change a request in transit may have made: to grant one is a security failure."""
MILD = "the RFC specifies how to make messages; a server that also accepts others is lenient, and breaks no MUST"

for _id, _title, _ids, _cases, _fit, _unreadable, _why, _rows, _mistake, _defect in _ROWS:
    _slug = "refused-without-certrep" if _defect in ("crashes-on-garbage", "http-errors") else "granted"
    row(
        __name__,
        _id,
        _title,
        *_ids,
        run=partial(_all_refused, cases=_cases, fitting=_fit, unreadable=_unreadable, mistake=_mistake or None),
        why=_why,
        field_failures=_rows,
        negative=True,
        at_most=CheckVerdict.FINDING,
        mild=MILD,
        breaches=("granted",) if _id in _UNPROTECTED else (),
        tags=("security",),
        gain=Gain.NOTHING,  # each has the right challenge, and is for our own name and key
        proofs=(Proof(_slug, defects=(_defect,)),),
    )


@check(
    "refuses-no-nonce",
    "A request without senderNonce is refused",
    "SCEP-3.2.1.5-06",
    why="The client could not distinguish the reply from an old one.",
    cost=1,
    negative=True,
    proofs=(Proof("granted", defects=("reissues",)),),
)
def no_nonce(session: Client) -> Iterator[Fact]:
    # A grant is odd but not dangerous, so it does not stop the run.
    answer = session.ask(session.order(oddities=Oddities(omit=frozenset({"senderNonce"})), wrong=True))
    if answer.exchange.client_error and not answer.is_cms:
        yield answered("granted", True, "a request without senderNonce is refused", answer)
        return
    yield from refusal(answer, "a request without senderNonce", REQUEST)


@check(
    "refuses-unknown-types",
    "A request with an undefined messageType is refused",
    "SCEP-3.2.1.2-03",
    "SCEP-3.2.1.4-04",
    "SCEP-2.8-01",
    why="A server that treats an unknown type as PKCSReq issues certificates for requests that it does not understand.",
    negative=True,
    gain=Gain.NOTHING,
    proofs=(Proof("granted", defects=("accepts-any-type",)),),
)
def unknown_types(session: Client) -> Iterator[Fact]:
    for number in (0, 1, 4, 16, 23, 255):
        yield from refused(
            session,
            f"messageType {number}",
            REQUEST,
            message_type=number,
            mistake="the server treats every type other than CertPoll and GetCert as PKCSReq",
        )


@check(
    "refuses-update-req",
    "The legacy UpdateReq (18) is refused unless Update is advertised",
    "SCEP-3.2.1.2-03",
    "SCEP-3.2.1.2-05",
    why="Code 18 is unassigned; drafts used it for renewal.",
    negative=True,
    gain=Gain.NOTHING,
    proofs=(Proof("granted", defects=("accepts-any-type",)),),
)
def update_req(session: Client) -> Iterator[Fact]:
    if session.capabilities.has("Update"):
        raise NotApplicable("Update is advertised")
    yield from refused(session, "messageType 18", REQUEST, message_type=18)


@check(
    "refuses-certrep",
    "A CertRep sent to the server is refused",
    "SCEP-3.2.1.2-04",
    why="A server must not process a replayed reply as a request.",
    negative=True,
    gain=Gain.NOTHING,
    proofs=(
        Proof("granted", defects=("accepts-any-type",)),
        Proof("refused-without-certrep", defects=("http-errors",)),
    ),
)
def certrep(session: Client) -> Iterator[Fact]:
    yield from refused(session, "a CertRep as a request", REQUEST, message_type=MessageType.CERT_REP)


@check(
    "refuses-other-content",
    "A request with content that does not match its messageType is refused",
    "SCEP-3.2-03",
    "SCEP-3.2.2-02",
    why="Otherwise the server does something other than what the messageType says.",
    negative=True,
    at_most=CheckVerdict.FINDING,
    mild=MILD,
    gain=Gain.NOTHING,
    proofs=(
        Proof("refused-without-certrep", defects=("http-errors",)),
        Proof("granted", defects=("accepts-any-type",)),
    ),
)
def other_content(session: Client) -> Iterator[Fact]:
    order = session.order()
    names = messages.issuer_and_subject(session.issuer.subject, order.subject)
    pairs = (
        ("a PKCSReq with issuer and subject", replace(order, data=names, wrong=True)),
        ("a GetCert with a CSR", replace(session.order(), message_type=MessageType.GET_CERT, wrong=True)),
        ("a CertPoll with a CSR", replace(session.order(), message_type=MessageType.CERT_POLL, wrong=True)),
    )
    for what, wrong in pairs:
        yield from refusal(
            session.ask(wrong, expect_refusal=True),
            what,
            REQUEST,
            FailInfo.BAD_CERT_ID,
            granted_at_most=CheckVerdict.FINDING,
        )


@check(
    "refuses-undecryptable",
    "A request that the server cannot decrypt gets a FAILURE",
    "SCEP-3.2.2-07",
    "SCEP-3.3.2.2-04",
    why="This happens after a CA rollover that a client has not noticed; an HTML page does not explain it.",
    field_failures=("F-R01", "F-R11", "F-R16"),
    negative=True,
    gain=Gain.NOTHING,
    proofs=(Proof("refused-without-certrep", defects=("http-errors-on-envelopes",)),),
)
def undecryptable(session: Client) -> Iterator[Fact]:
    stranger = session.self_signed(session.key(), session.issuer.subject)
    cases = (
        ("an envelope to another key", {"recipient": stranger}),
        ("a wrong padding", {"oddities": Oddities(padding="wrong")}),
        ("an IV of half the length", {"oddities": Oddities(iv="short")}),
    )
    for what, changes in cases:
        yield from refused(session, what, CHECK, REQUEST, **changes)


@check(
    "refuses-csr-forged",
    "A CSR with a signature that does not verify is refused",
    "SCEP-3.3.1-05",
    "SCEP-7.6-01",
    why="The CSR's signature proves that the client has the key. Without it, a client could get a certificate for "
    "someone else's key.",
    field_failures=("F-K08",),
    negative=True,
    tags=("security",),
    gain=Gain.KEY,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("csr-signature-unchecked",)),),
)
def csr_forged(session: Client) -> Iterator[Fact]:
    for what, flipped in (
        ("a CSR with the last bit of its signature changed", True),
        ("a CSR signed by another key", False),
    ):
        key, subject, secret = session.key(), session.subject(), session.draw()
        request = csrs.encoded(
            key, subject, csrs.text(secret), flipped=flipped, signed_by=None if flipped else session.key()
        )
        mistake = "the server does not verify the CSR's signature"
        yield from refused(session, what, CHECK, REQUEST, key=key, subject=subject, request=request, mistake=mistake)


@check(
    "failures-are-certreps",
    "A rejected request gets a CertRep FAILURE with HTTP 200",
    "SCEP-3.3.2.2-04",
    "SCEP-4.3.1-02",
    why="An HTTP error does not give a reason; devices show a communication error and retry.",
    field_failures=("F-T21", "F-T23", "F-T26"),
    negative=True,
    gain=Gain.STRANGER,
    proofs=(Proof("not-a-certrep", answer="{http: 400}", when="type: CertPoll"),),
)
def certreps(session: Client) -> Iterator[Fact]:
    probes = [session.unknown_poll()]
    if session.challenges.next() is not None:
        probes.append(session.refusal())
    for answer in probes:
        good = answer.refused and answer.reply is not None and answer.reply.status == 200
        yield answered(
            "not-a-certrep",
            good,
            "CertRep FAILURE with HTTP 200",
            answer,
            mistake="the server turns errors of the SCEP layer into HTTP errors",
            what="a request that must be refused",
        )
