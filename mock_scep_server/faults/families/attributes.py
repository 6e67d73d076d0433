"""Faults of the attributes of a CertRep: missing, repeated, of another type, with another value. RFC 8894, 3.2.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep.messages import CertRep
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.combined import at
from mock_scep_server.faults.decide import FAILURE, PENDING
from mock_scep_server.faults.message import Said, odd
from mock_scep_server.faults.registry import Spec, among, choice, one_of

MESSAGES = "PKCSReq RenewalReq CertPoll"

TYPES = {
    "integer": lambda text: der.integer(int(text)),
    "utf8": der.utf8_string,
    "ia5": der.ia5_string,
    "octets": lambda text: der.octet_string(text.encode()),
    "printable": der.printable_string,
}


def _typed(name: str, kind: str, value: str | None = None) -> Said:
    """An attribute whose value has another ASN.1 type; `value` None uses that of the reply."""

    def change(reply: CertRep, context: Context) -> CertRep:
        own = {"transactionID": reply.transaction_id, "failInfoText": reply.fail_info_text}
        text = value if value is not None else own[name] or ""
        return _instead(reply, name, TYPES[kind](text))

    return Said(change)


def _instead(reply: CertRep, name: str, *values: bytes) -> CertRep:
    return replace(reply, oddities=replace(reply.oddities, instead=(*reply.oddities.instead, (name, values))))


def _hex_nonce(name: str) -> Said:
    def change(reply: CertRep, context: Context) -> CertRep:
        nonce = reply.sender_nonce if name == "senderNonce" else reply.recipient_nonce
        return _instead(reply, name, der.printable_string((nonce or b"").hex().upper()))

    return Said(change)


def _number(name: str, text: str) -> Fault:
    """A number in another spelling."""
    return odd(instead=((name, (der.printable_string(text),)),))


def _raw(name: str, text: str) -> Fault:
    return odd(instead=((name, (der.tlv(der.PRINTABLE_STRING, text.encode()),)),))


def _nonce(change: Callable[[bytes, Context], bytes]) -> Said:
    def said(reply: CertRep, context: Context) -> CertRep:
        return replace(reply, recipient_nonce=change(reply.recipient_nonce or bytes(16), context))

    return Said(said)


def _stale(nonce: bytes, context: Context) -> bytes:
    """The senderNonce of the previous request; for the first request, its own."""
    return context.memory.kept("nonce") or nonce


def _transaction(change: Callable[[str], str]) -> Said:
    return Said(lambda reply, context: replace(reply, transaction_id=change(reply.transaction_id)))


TRANSACTIONS = {
    "longer": _transaction(lambda text: text + "0"),
    "case-folded": _transaction(lambda text: text.lower() if text != text.lower() else text.upper()),
    "padded": _transaction(lambda text: f" {text} "),
    "prefix": _transaction(lambda text: text[:-1]),
    "empty": _transaction(lambda text: ""),
}
SUCCESS_ONLY = {"statuses": "SUCCESS"}
FORGED_NONCE = _nonce(lambda nonce, context: bytes(octet ^ 0xFF for octet in nonce))
NONCANONICAL: dict[str, Fault] = {
    "type-03": _number("messageType", "03"),
    "status-00": _number("pkiStatus", "00"),
    "status-blank": _number("pkiStatus", "0 "),
    "status-nul": _raw("pkiStatus", "0\x00"),
}
REPLY_TYPES = ("19", "4", "23")
UNKNOWN_TYPES = {"99": "99", "empty": "", "alphabetic": "CertRep"}
STATUSES = {"1": "1", "4": "4", "empty": "", "0x0": "0x0"}
MISSING = {
    "missing-contenttype": "contentType",
    "missing-messagedigest": "messageDigest",
    "missing-messagetype": "messageType",
    "missing-pkistatus": "pkiStatus",
    "missing-recipientnonce": "recipientNonce",
    "missing-transactionid": "transactionID",
    "nonce-missing": "recipientNonce",
    "certrep-no-sendernonce": "senderNonce",
}
ID_TYPES = {"utf8": "utf8", "ia5": "ia5", "octets": "octets"}


def _repeated(reply: CertRep, context: Context) -> CertRep:
    """All CertReps have the senderNonce of the first one."""
    return replace(reply, sender_nonce=context.thing("sender nonce", lambda: reply.sender_nonce))


def _missing(name: str) -> Spec:
    return Spec("message", lambda: odd(omit=frozenset({name})))


TABLE: dict[str, Spec] = {
    **{slug: _missing(name) for slug, name in MISSING.items()},
    "certrep-repeated-sendernonce": Spec("message", lambda: Said(_repeated)),
    "dup-attr": Spec("message", lambda: odd(repeat=(("pkiStatus", (der.printable_string("2"),)),))),
    "multi-value": Spec(
        "message", lambda: odd(instead=(("pkiStatus", (der.printable_string("0"), der.printable_string("2"))),))
    ),
    "enc-failinfo": Spec(
        "message",
        lambda form: at(MESSAGES, FAILURE, _typed("failInfo", form, "2")),
        (choice("form", ("integer", "utf8")),),
    ),
    "enc-failinfotext": Spec(
        "message",
        lambda form: at(MESSAGES, FAILURE, _typed("failInfoText", form)),
        (choice("form", ("printable", "ia5")),),
    ),
    "enc-messagetype": Spec(
        "message", lambda form: _typed("messageType", form, "3"), (choice("form", ("integer", "utf8")),)
    ),
    "enc-pkistatus": Spec(
        "message",
        lambda form: at(MESSAGES, _typed("pkiStatus", form, "0"), **SUCCESS_ONLY),
        (choice("form", ("integer", "utf8")),),
    ),
    "enc-recipientnonce": Spec("message", lambda: _hex_nonce("recipientNonce")),
    "enc-sendernonce": Spec("message", lambda: _hex_nonce("senderNonce")),
    "enc-transactionid": Spec(
        "message", lambda form: _typed("transactionID", form), (choice("form", tuple(ID_TYPES)),)
    ),
    "extra-attrs": Spec(
        "message",
        lambda: odd(
            extra_signed=(
                ("1.3.6.1.4.1.99999.1", (der.utf8_string("unknown"),)),
                ("1.3.6.1.4.1.99999.2", (der.octet_string(bytes(4096)),)),
            )
        ),
    ),
    "forged-pending": Spec("message", lambda: at(MESSAGES, PENDING, FORGED_NONCE)),
    "noncanonical-number": among("message", "form", NONCANONICAL),
    "nonce-mismatch": Spec("message", lambda: _nonce(lambda nonce, context: nonce[:-1] + bytes((nonce[-1] ^ 1,)))),
    "nonce-padded": Spec("message", lambda: _nonce(lambda nonce, context: nonce + b"\x00")),
    "nonce-stale": Spec("message", lambda: _nonce(_stale)),
    "nonce-truncated": Spec("message", lambda: _nonce(lambda nonce, context: nonce[:8])),
    "reply-unknown-type": one_of("message", "type", UNKNOWN_TYPES, lambda type: _number("messageType", type)),
    "reply-wrong-type": Spec("message", lambda type: _number("messageType", type), (choice("type", REPLY_TYPES),)),
    "status-undefined": one_of("message", "status", STATUSES, lambda status: _number("pkiStatus", status)),
    "transactionid-mismatch": among("message", "form", TRANSACTIONS),
    "unsigned-override": Spec(
        "message", lambda: at(MESSAGES, FAILURE, odd(extra_unsigned=(("pkiStatus", (der.printable_string("0"),)),)))
    ),
}
