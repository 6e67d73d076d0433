"""Nonces and transaction identifiers of many forms come back unchanged. RFC 8894, 3.2.1.1 and 3.2.1.5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, processed
from mfp_sim.conformance.model import Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.registry import check
from mfp_sim.shared.scep import vocabulary as v

FORMS = (
    "a",
    "Printer 7/B",
    "kQ9vT3+b/Zr0=",
    "00-11-22-33-44-55-66-77",
    "0123456789abcdefABCDEF",
    "1" * 77,
    "X" * 64,
    "Y" * 255,
)


@check(
    "transactionid-forms",
    "A transactionID of any form comes back byte for byte",
    "SCEP-3.2.1.1-04",
    "SCEP-3.2.1.1-05",
    why="Clients use hex, base64, decimal digits or the device's name, and expect it back unchanged.",
    field_failures=("F-X04", "F-X05", "F-X06"),
    reads=True,
    proofs=(Proof("altered", defects=("alters-transactionid",)),),
)
def forms(session: Client) -> Iterator[Fact]:
    for identifier in FORMS:
        answer = session.ask(session.harmless(transaction_id=identifier))
        got = answer.octets(v.TRANSACTION_ID)
        if got is None:
            yield answered(
                "no-certrep",
                False,
                f"a CertRep for the transactionID {identifier[:24]!r}",
                answer,
                requirement="SCEP-3.3.2.2-04",
                what="a transactionID of this form",
            )
            continue
        yield fact(
            "altered",
            got == identifier.encode(),
            repr(identifier),
            repr(got.decode("utf-8", "replace")),
            answer,
            element="signerInfos[0].signedAttrs.transactionID",
            mistake="the server's database trims or cuts the identifier, or changes its case",
        )


@check(
    "transactionid-not-a-hash",
    "A transactionID that is not a hash of the key is accepted",
    "SCEP-3.2.1.1-05",
    why="The RFC leaves the form to the client; some devices use their serial number.",
    field_failures=("F-X04",),
    cost=2,
    proofs=(Proof("not-processed", defects=("wants-transaction-hash",)),),
)
def not_a_hash(session: Client) -> Iterator[Fact]:
    mark = session.entropy.octets(4).hex()
    for identifier in (f"RTU 7 {mark}", f"printer/{mark}="):
        answer = session.ask(session.order(transaction_id=identifier))
        yield processed(answer, f"the transactionID {identifier!r}")


@check(
    "nonce-sizes",
    "A senderNonce of another size is refused or returned unchanged",
    "SCEP-3.2.1.5-07",
    why="Old iOS sends 8 bytes; if the server cuts or pads the nonce, it does not match.",
    field_failures=("F-X03",),
    reads=True,
    proofs=(Proof("altered", defects=("alters-nonces",)),),
)
def nonce_sizes(session: Client) -> Iterator[Fact]:
    for size in (1, 8, 15, 17, 32):
        nonce = session.entropy.octets(size)
        answer = session.ask(session.harmless(nonce=nonce, wrong=True))
        got = answer.octets(v.RECIPIENT_NONCE)
        if not answer.is_cms or got is None:
            what = f"a nonce of {size} bytes"
            yield answered(
                "no-certrep", False, f"a CertRep to {what}", answer, requirement="SCEP-3.3.2.2-04", what=what
            )
            continue
        yield fact(
            "altered",
            got == nonce,
            nonce.hex(),
            got.hex(),
            answer,
            element="signerInfos[0].signedAttrs.recipientNonce",
            mistake="the server stores the nonce in a 16-byte field",
        )


@check(
    "nonce-of-this-request",
    "Each request of a transaction gets its own nonce back",
    "SCEP-3.2.1.5-03",
    "SCEP-3.2.1-08",
    why="If the server keeps one nonce per transaction, every poll of a client that checks it fails.",
    field_failures=("F-X03",),
    reads=True,
    proofs=(Proof("stale", "nonce-stale", when="type: CertPoll"),),
)
def of_this_request(session: Client) -> Iterator[Fact]:
    first = session.harmless()
    for order in (first, replace(first, nonce=session.entropy.octets(16))):
        answer = session.ask(order)
        got = answer.octets(v.RECIPIENT_NONCE)
        if got is None:
            raise Inconclusive(f"the reply has no recipientNonce: {answer.text}")
        yield fact(
            "stale",
            got == order.nonce,
            order.nonce.hex(),
            got.hex(),
            answer,
            element="signerInfos[0].signedAttrs.recipientNonce",
            mistake="the server returns the nonce of the transaction's first request",
        )


@check(
    "nonces-not-chained",
    "A poll does not need the nonce of the previous reply",
    "SCEP-3.2.1.5-09",
    "SCEP-3.3.2-02",
    why="Each message has a new nonce; early drafts chained them.",
    field_failures=("F-X03",),
    cost=1,
    proofs=(Proof("refused", defects=("chains-nonces",)),),
)
def not_chained(session: Client) -> Iterator[Fact]:
    enrolled = session.enrol()
    answer = session.ask(session.poll(enrolled.order))
    done = answer.taken or (answer.refused and answer.fail_info in (2, 4))
    yield answered("refused", done, "the poll is accepted", answer)


@check(
    "envelope-chance",
    "Each reply has a new content key and a new initialisation vector",
    "SCEP-3.2.2-05",
    "SCEP-3.1-01",
    why="If replies share a content key, any enrolled client can read them all; a repeated initialisation vector shows "
    "which replies begin alike.",
    tags=("security",),
    cost=2,
    proofs=(
        Proof("content-key", defects=("encrypts-without-chance",)),
        Proof("iv", defects=("encrypts-without-chance",)),
    ),
)
def chance(session: Client) -> Iterator[Fact]:
    for _ in range(2):
        session.enrol()
    seen: dict[str, set[bytes]] = {"content-key": set(), "iv": set()}
    for envelope, answer in {a.envelope.der: (a.envelope, a) for a in session.cert_reps if a.envelope}.values():
        for slug, octets in (("content-key", answer.content_key), ("iv", envelope.iv)):
            if octets and seen[slug]:
                again = octets in seen[slug]
                got = "the same as in another reply" if again else "a new one"
                yield fact(slug, not again, "a new one in each reply", got, answer)
            seen[slug] |= {octets} if octets else set()
