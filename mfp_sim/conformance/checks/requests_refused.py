"""Requests that are wrong in one way, and have to be refused for that. RFC 8894, 3 to 3.3; security."""

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
    """Send a request with each oddity; ``unreadable``: an HTTP 4xx is a fitting answer too."""
    for what, oddities in cases:
        answer = session.ask(session.order(oddities=oddities, wrong=True), expect_refusal=True)
        if unreadable and answer.exchange.client_error and not answer.is_cms:
            yield answered("granted", True, f"{what} is refused", answer)
        else:
            # Without contentType the signature still covers the content; only what the content is stays open.
            slug = "granted-untyped" if oddities.omit == {"contentType"} else "granted"
            more: Any = {"mistake": mistake, "granted_at_most": CheckVerdict.FINDING, "slug": slug}
            yield from refusal(answer, what, *fitting, **more)


# (id, title, requirement, what, oddities, fitting, unreadable, why, rows, mistake, defect)
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
     (CHECK,), False, "Whoever can change a request in transit can otherwise choose what is certified.", ("F-E04",),
     "the signature is read but never verified", "accepts-bad-signature"),
    ("refuses-wrong-digest", "A request whose messageDigest is wrong is refused", ("SCEP-3-03", "SCEP-3.2.1.4-03"),
     (("a messageDigest of other bytes", Oddities(message_digest="wrong")),),
     (CHECK,), False, "The digest ties the content to the signature.", ("F-E02",),
     "the signature over the attributes is verified, the digest in them is not compared", "accepts-bad-signature"),
    ("refuses-changed-content", "A request whose ciphertext was changed is refused before it is decrypted",
     ("SCEP-3.1-01", "SCEP-3.2.1.4-03"), (("a ciphertext with one bit changed", Oddities(flip_ciphertext=True)),),
     (CHECK,), False, "Decrypting what nobody signed makes the server a decryption oracle.", (),
     "the envelope is opened first and the signature looked at afterwards", "http-errors"),
    ("refuses-no-signed-attributes", "A request without signed attributes is refused", ("SCEP-3.2-04",),
     (("a request signed directly over its content", Oddities(attributes="none")),),
     (CHECK, REQUEST), True, "Type, transaction and nonce would be nobody's word.", (),
     "attributes are looked for wherever they may be", "grants-anything"),
    ("refuses-unsigned-attributes", "A request whose SCEP attributes are not signed is refused",
     ("SCEP-3.2-04", "SCEP-3.2.1-18"), (("SCEP attributes in unsignedAttrs only", Oddities(attributes="unsigned")),),
     (CHECK, REQUEST), True, "Unsigned attributes can be changed on the way.", (),
     "signed and unsigned attributes are read into one table", "accepts-malformed-attributes"),
    ("refuses-stripped-attributes", "Signed attributes moved into the content are refused", ("SCEP-3-06",),
     (("signed attributes as content, with their signature", Oddities(attributes="stripped")),),
     (CHECK, REQUEST), True, "It is the classic attack on CMS with eContentType id-data.", (),
     "a SignerInfo without signedAttrs is verified over the content", "crashes-on-garbage"),
    ("refuses-two-signers", "A request with two SignerInfos is refused", ("SCEP-3.2-09",),
     (("two SignerInfos with two transactions",
       Oddities(signers="two", second_signer=(("transactionID", (der.printable_string("other"),)),))),),
     (CHECK, REQUEST), True, "Which of the two is meant is anybody's guess.", (),
     "the first SignerInfo is taken and the others are not looked at", "grants-anything"),
    ("refuses-no-signer", "A request that nobody signed is refused", ("SCEP-3.2-09",),
     (("a request without a SignerInfo", Oddities(signers="none")),),
     (CHECK, REQUEST), True, "It is anybody's request.", (),
     "a SignedData without signers verifies, since no signature is wrong", "grants-anything"),
    ("refuses-no-transactionid", "A request without transactionID is refused", ("SCEP-3.2.1-01",),
     (("a request without transactionID", Oddities(omit=frozenset({"transactionID"}))),),
     (REQUEST,), True, "It can never be asked about again.", (), "", "accepts-malformed-attributes"),
    ("refuses-no-messagetype", "A request without messageType is refused", ("SCEP-3.2.1-02", "SCEP-3.3-01"),
     (("a request without messageType", Oddities(omit=frozenset({"messageType"}))),),
     (REQUEST,), True, "What is asked for would be a guess.", (), "the content is sniffed instead",
     "accepts-malformed-attributes"),
    ("refuses-no-cms-attributes", "A request without contentType or messageDigest is refused", ("SCEP-3.2.1-05",),
     (("a request without messageDigest", Oddities(omit=frozenset({"messageDigest"}))),
      ("a request without contentType", Oddities(omit=frozenset({"contentType"})))),
     (CHECK, REQUEST), True, "Without messageDigest the content is not signed at all.", ("F-E03",),
     "the check is skipped where the attribute is missing", "accepts-bad-signature"),
    ("refuses-double-attributes", "A request with an attribute twice, or with two values, is refused",
     ("SCEP-3.2.1-17",),
     (("a second messageType", Oddities(repeat=_TYPE)),
      ("a transactionID with two values",
       Oddities(instead=(("transactionID", (der.printable_string("A"), der.printable_string("B"))),)))),
     (REQUEST, CHECK), True, "Two readers of one message would see two different requests.", (),
     "the first or the last value is taken", "accepts-malformed-attributes"),
    ("refuses-unencrypted", "A request that is not encrypted is refused", ("SCEP-3.1-05", "SCEP-3.2-02"),
     (("a CSR as content, without an envelope", Oddities(unencrypted=True)),),
     (REQUEST, CHECK), True, "A client that is wrong in this sends its challenge in the clear and never learns of it.",
     (), "whatever the content is, it is tried as a CSR too", "grants-anything"),
    ("refuses-swapped-layers", "SignedData inside EnvelopedData is refused", ("SCEP-3-01",),
     (("layers the other way round", Oddities(layers_swapped=True)),),
     (REQUEST, CHECK), True, "The outer layer is what the signature has to cover.", (), "", "crashes-on-garbage"),
    ("refuses-garbage-content", "Random bytes as content are refused", ("SCEP-3.3.2.2-04", "SCEP-3.2-02"),
     (("random bytes, correctly signed", Oddities(content=b"\x04\x10" + bytes(range(16)))),),
     (REQUEST, CHECK), True, "A crash here is one that anybody can cause.", (), "", "crashes-on-garbage"),
)  # fmt: skip

_UNPROTECTED = frozenset({
    "refuses-bad-signature", "refuses-wrong-digest", "refuses-no-signed-attributes",
    "refuses-unsigned-attributes", "refuses-no-signer", "refuses-no-cms-attributes",
})  # fmt: skip
"""Those that whoever can change a request in transit may have made: to grant one is a security failure."""
MILD = "the RFC says how messages are made; a server that takes others too is lenient, and breaks no MUST of its own"

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
        gain=Gain.NOTHING,  # each has the right challenge, for a name and a key of ours
        proofs=(Proof(_slug, defects=(_defect,)),),
    )


@check(
    "refuses-no-nonce",
    "A request without senderNonce is refused",
    "SCEP-3.2.1.5-06",
    why="The client could not tell the reply from an old one.",
    cost=1,
    negative=True,
    proofs=(Proof("granted", defects=("reissues",)),),
)
def no_nonce(session: Client) -> Iterator[Fact]:
    # A grant is odd and no danger, so it does not stop the run.
    answer = session.ask(session.order(oddities=Oddities(omit=frozenset({"senderNonce"})), wrong=True))
    if answer.exchange.client_error and not answer.is_cms:
        yield answered("granted", True, "a request without senderNonce is refused", answer)
        return
    yield from refusal(answer, "a request without senderNonce", REQUEST)


@check(
    "refuses-unknown-types",
    "An undefined messageType is an error",
    "SCEP-3.2.1.2-03",
    "SCEP-3.2.1.4-04",
    "SCEP-2.8-01",
    why="A server that takes an unknown type for PKCSReq issues for what it does not understand.",
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
            mistake="every type that is not CertPoll or GetCert falls through to PKCSReq",
        )


@check(
    "refuses-update-req",
    "The legacy UpdateReq (18) is an error unless it is advertised",
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
    why="A reply that is replayed to the server makes no sense.",
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
    "Content that is not what messageType announces is refused",
    "SCEP-3.2-03",
    "SCEP-3.2.2-02",
    why="What is announced and what is done would be two things.",
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
        ("PKCSReq with issuer and subject", replace(order, data=names, wrong=True)),
        ("GetCert with a CSR", replace(session.order(), message_type=MessageType.GET_CERT, wrong=True)),
        ("CertPoll with a CSR", replace(session.order(), message_type=MessageType.CERT_POLL, wrong=True)),
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
    "A message that the server cannot decrypt gets a clean FAILURE",
    "SCEP-3.2.2-07",
    "SCEP-3.3.2.2-04",
    why="It is what a client sees after a CA rollover that it has not noticed; an HTML page does not tell it so.",
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
        ("an IV of half its length", {"oddities": Oddities(iv="short")}),
    )
    for what, changes in cases:
        yield from refused(session, what, CHECK, REQUEST, **changes)


@check(
    "refuses-csr-forged",
    "A CSR whose own signature does not verify is refused",
    "SCEP-3.3.1-05",
    "SCEP-7.6-01",
    why="The CSR's signature proves that the client has the key: without it somebody's public key is certified for "
    "somebody else.",
    field_failures=("F-K08",),
    negative=True,
    tags=("security",),
    gain=Gain.KEY,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("csr-signature-unchecked",)),),
)
def csr_forged(session: Client) -> Iterator[Fact]:
    for what, flipped in (
        ("a CSR with its signature's last bit changed", True),
        ("a CSR signed by another key", False),
    ):
        key, subject, secret = session.key(), session.subject(), session.draw()
        request = csrs.encoded(
            key, subject, csrs.text(secret), flipped=flipped, signed_by=None if flipped else session.key()
        )
        mistake = "the CSR's signature is not verified"
        yield from refused(session, what, CHECK, REQUEST, key=key, subject=subject, request=request, mistake=mistake)


@check(
    "failures-are-certreps",
    "A rejected request yields a CertRep FAILURE in HTTP 200",
    "SCEP-3.3.2.2-04",
    "SCEP-4.3.1-02",
    why="An HTTP error tells a client nothing; devices show it as a communication error and retry.",
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
            "CertRep FAILURE under HTTP 200",
            answer,
            mistake="errors of the SCEP layer are turned into errors of HTTP",
            what="a request to be refused",
        )
