"""The signed attributes of CertReps: present, of the right type, single, and correct. RFC 8894, 3.2.1."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import CheckVerdict, Proof
from mfp_sim.conformance.watching import noted, over, watch
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus

watch_here = partial(watch, __name__)
_PLACE = "signerInfos[0].signedAttrs"


def _any(_: Answer) -> bool:
    return True


def _refused(answer: Answer) -> bool:
    return answer.refused


# --- presence: (id, attribute, requirements, replies it applies to, fault, at most, why, rows of field failures)
_Presence = tuple[str, str, tuple[str, ...], Callable[[Answer], bool], str, CheckVerdict, str, tuple[str, ...]]
_PRESENCE: tuple[_Presence, ...] = (
    ("transactionid-present", "transactionID", ("SCEP-3.2.1-01",), _any, "missing-transactionid", CheckVerdict.FAIL,
     "A client finds its request by the transactionID.", ("F-X05",)),
    ("messagetype-present", "messageType", ("SCEP-3.2.1-02", "SCEP-3.3-01"), _any, "missing-messagetype",
     CheckVerdict.FAIL,
     "Without messageType, a client cannot see that the message is a reply.", ()),
    ("sendernonce-present", "senderNonce", ("SCEP-3.2.1-04",), _any, "certrep-no-sendernonce", CheckVerdict.WARN,
     "The RFC's own samples lack it, but certmonger refuses a reply without it.", ("F-X03",)),
    ("pkistatus-present", "pkiStatus", ("SCEP-3.2.1-06", "SCEP-3.3.2-03"), _any, "missing-pkistatus", CheckVerdict.FAIL,
     "Only pkiStatus shows whether the request was granted.", ("F-P02",)),
    ("failinfo-present", "failInfo", ("SCEP-3.2.1-07", "SCEP-3.2.1.3-03", "SCEP-3.3.2.2-01"), _refused,
     "failure-no-failinfo", CheckVerdict.FAIL,
     "failInfo is all that a device can show the administrator about a refusal.", ("F-K04", "F-E06")),
    ("recipientnonce-present", "recipientNonce", ("SCEP-3.2.1-08",), _any, "missing-recipientnonce", CheckVerdict.FAIL,
     "A client that checks nonces, as the RFC requires, drops the reply.", ("F-X03",)),
)  # fmt: skip


def _missing(name: str) -> Callable[[Client, Answer], str | None]:
    def rule(_: Client, answer: Answer) -> str | None:
        return None if answer.attribute(v.SCEP_ATTRIBUTES[name]) else "absent"

    return rule


for _id, _name, _ids, _only, _fault, _cap, _why, _rows in _PRESENCE:
    watch_here(
        f"certrep-{_id}",
        f"A {'FAILURE' if _only is _refused else 'CertRep'} has {_name}",
        *_ids,
        judge=over(
            "absent", f"{_name} is present", _missing(_name), only=_only, at_most=_cap, element=f"{_PLACE}.{_name}"
        ),
        why=_why,
        field_failures=_rows,
        at_most=_cap,
        mild="the RFC's own samples lack it" if _cap < CheckVerdict.FAIL else "",
        proofs=(Proof("absent", _fault),),
    )

watch_here(
    "certrep-cms-attributes",
    "A CertRep has the signed attributes contentType and messageDigest",
    "SCEP-3.2.1-05",
    judge=noted("cms-attribute-absent", "both are present", "SCEP-3.2.1-05"),
    why="RFC 5652 requires both; OpenSSL refuses a signature without them.",
    field_failures=("F-E03",),
    proofs=(
        Proof("cms-attribute-absent", "missing-contenttype"),
        Proof("cms-attribute-absent", "missing-messagedigest"),
    ),
)

# --- type: (attribute, tag, requirement, fault, why)
_TYPES = (
    ("transactionID", der.PRINTABLE_STRING, "SCEP-3.2.1-09", "enc-transactionid"),
    ("messageType", der.PRINTABLE_STRING, "SCEP-3.2.1-10", "enc-messagetype"),
    ("pkiStatus", der.PRINTABLE_STRING, "SCEP-3.2.1-11", "enc-pkistatus"),
    ("failInfo", der.PRINTABLE_STRING, "SCEP-3.2.1-12", "enc-failinfo"),
    ("failInfoText", der.UTF8_STRING, "SCEP-3.2.1-13", "enc-failinfotext"),
    ("senderNonce", der.OCTET_STRING, "SCEP-3.2.1-14", "enc-sendernonce"),
    ("recipientNonce", der.OCTET_STRING, "SCEP-3.2.1-15", "enc-recipientnonce"),
)


def _other_type(name: str, tag: int) -> Callable[[Client, Answer], str | None]:
    def rule(_: Client, answer: Answer) -> str | None:
        tags = {element.tag for element in answer.attribute(v.SCEP_ATTRIBUTES[name])}
        return ", ".join(der.tag_name(other) for other in sorted(tags - {tag})) or None

    return rule


def _has(name: str) -> Callable[[Answer], bool]:
    return lambda answer: bool(answer.attribute(v.SCEP_ATTRIBUTES[name]))


for _name, _tag, _requirement, _fault in _TYPES:
    watch_here(
        f"type-of-{_name.lower()}",
        f"{_name} is a {der.tag_name(_tag)}",
        _requirement,
        judge=over(
            "other-type",
            der.tag_name(_tag),
            _other_type(_name, _tag),
            only=_has(_name),
            element=f"{_PLACE}.{_name}",
            mistake="the library chooses the string type by the value instead of the attribute",
        ),
        why="Clients with generated ASN.1 code read only the defined type.",
        field_failures=("F-X06",) if _name == "transactionID" else (),
        proofs=(Proof("other-type", _fault),),
    )

watch_here(
    "numbers-canonical",
    "Numeric attributes are plain decimal text",
    "SCEP-3.2.1-16",
    judge=noted("not-canonical", "decimal digits, no leading zero or blank",
                broken=lambda e: e.expected.startswith("a decimal number")),
    why='Clients compare the text: they do not recognise "03" or "0 ".',
    proofs=(Proof("not-canonical", "noncanonical-number"),),
)  # fmt: skip

watch_here(
    "attributes-single",
    "Each attribute occurs once and has one value",
    "SCEP-3.2.1-17",
    judge=noted("repeated", "once, with one value",
                broken=lambda e: e.expected in ("each attribute once", "exactly one value")),
    why="If two values contradict each other, it is undefined which one a client uses.",
    tags=("security",),
    proofs=(Proof("repeated", "dup-attr"), Proof("repeated", "multi-value")),
)  # fmt: skip

watch_here(
    "attributes-signed-only",
    "No SCEP attribute is unsigned",
    "SCEP-3.2.1-18",
    judge=noted("unsigned", "no unsigned attributes", "SCEP-3.2.1-18"),
    why="An attacker can change unsigned attributes in transit.",
    tags=("security",),
    proofs=(Proof("unsigned", "unsigned-override"),),
)


def _type(_: Client, answer: Answer) -> str | None:
    number = answer.number(v.MESSAGE_TYPE)
    return None if number == MessageType.CERT_REP else f"messageType {number}"


watch_here(
    "certrep-type",
    "Every CertRep has messageType 3",
    "SCEP-3.2.1.2-02",
    "SCEP-3.2.1.2-01",
    "SCEP-6-02",
    judge=over("other-message-type", "CertRep (3)", _type, only=_has("messageType"), element=f"{_PLACE}.messageType"),
    why="A client refuses a reply with another messageType.",
    proofs=(Proof("other-message-type", "reply-wrong-type"), Proof("other-message-type", "reply-unknown-type")),
)


def _status(_: Client, answer: Answer) -> str | None:
    got = answer.octets(v.PKI_STATUS)
    return None if answer.status in set(PkiStatus) else f"pkiStatus {got!r}"


watch_here(
    "pkistatus-defined",
    "pkiStatus is 0, 2 or 3",
    "SCEP-3.2.1.3-01",
    judge=over("undefined-status", "SUCCESS (0), FAILURE (2) or PENDING (3)", _status, only=_has("pkiStatus"),
               element=f"{_PLACE}.pkiStatus"),
    why="No other status is defined, and clients stop when they get one.",
    field_failures=("F-P02",),
    proofs=(Proof("undefined-status", "status-undefined"),),
)  # fmt: skip


def _fail_info(_: Client, answer: Answer) -> str | None:
    got = answer.octets(v.FAIL_INFO)
    return None if answer.fail_info in set(FailInfo) else f"failInfo {got!r}"


watch_here(
    "failinfo-defined",
    "failInfo is one of 0 to 4",
    "SCEP-3.2.1.4-01",
    judge=over("undefined-failinfo", "badAlg (0) to badCertId (4)", _fail_info, only=_has("failInfo"),
               element=f"{_PLACE}.failInfo"),
    why="Devices show 'Fail Info n'; an administrator cannot look up a private number.",
    field_failures=("F-E06",),
    proofs=(Proof("undefined-failinfo", "failinfo-undefined"),),
)  # fmt: skip


def _with_failure_only(_: Client, answer: Answer) -> str | None:
    found = [name for name in ("failInfo", "failInfoText") if answer.attribute(v.SCEP_ATTRIBUTES[name])]
    return f"{' and '.join(found)} in a reply with pkiStatus {answer.status}" if found else None


watch_here(
    "failinfo-with-failure-only",
    "failInfo and failInfoText occur only in a FAILURE",
    "SCEP-3.2.1.4-10",
    judge=over("without-failure", "neither attribute", _with_failure_only, only=lambda a: not a.refused),
    why="A client that looks for failInfo first treats a SUCCESS as a refusal.",
    proofs=(Proof("without-failure", "failinfotext-on-success"),),
)


def _nonce(_: Client, answer: Answer) -> str | None:
    got = answer.octets(v.RECIPIENT_NONCE)
    if got == answer.order.nonce:
        return None
    return f"{(got or b'')[:24].hex()} for the senderNonce {answer.order.nonce.hex()}"


watch_here(
    "recipientnonce-copied",
    "recipientNonce equals the request's senderNonce byte for byte",
    "SCEP-3.2.1.5-03",
    "SCEP-3.2.1-08",
    judge=over("nonce-differs", "the senderNonce of the request just sent", _nonce, only=_has("recipientNonce"),
               element=f"{_PLACE}.recipientNonce",
               mistake="the server keeps the nonce per transaction or connection and does not copy the request's"),
    why="Clients must drop a reply with another nonce: either every enrolment fails, or a client accepts a replay.",
    field_failures=("F-X03",),
    tags=("security",),
    proofs=tuple(Proof("nonce-differs", fault) for fault in
                 ("nonce-mismatch", "nonce-truncated", "nonce-padded", "nonce-stale")),
)  # fmt: skip


def _transaction(_: Client, answer: Answer) -> str | None:
    got = answer.octets(v.TRANSACTION_ID)
    wanted = answer.order.transaction_id.encode()
    return None if got == wanted else f"{got!r} for {wanted!r}"


watch_here(
    "transactionid-returned",
    "A CertRep has the request's transactionID",
    "SCEP-3.2.1.1-04",
    judge=over("transaction-differs", "the request's transactionID, byte for byte", _transaction,
               only=_has("transactionID"), element=f"{_PLACE}.transactionID"),
    why="A client drops a reply with another transactionID and polls for one that the server does not know.",
    field_failures=("F-X05", "F-X06"),
    proofs=(Proof("transaction-differs", "transactionid-mismatch"),),
)  # fmt: skip


def _fresh(session: Client, answer: Answer) -> str | None:
    mine = answer.octets(v.SENDER_NONCE)
    if mine == answer.order.nonce:
        return "the request's own nonce again"
    others = [a.octets(v.SENDER_NONCE) for a in session.cert_reps if a is not answer]
    return "the same as in another reply" if mine in others else None


def _sixteen(_: Client, answer: Answer) -> str | None:
    size = len(answer.octets(v.SENDER_NONCE) or b"")
    return None if size == 16 else f"a senderNonce of {size} bytes"


_NONCE: dict[str, Any] = {"only": _has("senderNonce"), "element": f"{_PLACE}.senderNonce"}
_FRESH = (
    over("not-fresh", "16 random bytes, new in each reply", _fresh,
         mistake="the server echoes the request's nonce in both attributes", **_NONCE),
    over("not-16-octets", "16 bytes", _sixteen, **_NONCE),
)  # fmt: skip

watch_here(
    "sendernonce-fresh",
    "The server's senderNonce is 16 bytes and new in each reply",
    "SCEP-3.2.1.5-09",
    "SCEP-3.2.1-14",
    judge=lambda session: (found for judge in _FRESH for found in judge(session)),
    why="jscep refuses a nonce that it has already seen.",
    field_failures=("F-X03",),
    proofs=(
        Proof("not-fresh", "certrep-repeated-sendernonce"),
        Proof("not-16-octets", defects=("short-sender-nonce",)),
    ),
)  # fmt: skip


def _gives_away_if_there(secret: str) -> bool:
    """Whether a text that contains the secret gives it away: "password" and "1" may stand there for another reason."""
    return len(secret) >= (20 if secret.isalpha() else 6)


_INTERNAL = ("Traceback", "Exception", "goroutine", " at java.", ".java:", "SELECT ", "stack trace")


def _gives_away(session: Client, answer: Answer) -> str | None:
    text, sent = answer.fail_info_text or "", answer.order.challenge
    leaked = any(right in text for right in session.drawn if _gives_away_if_there(right) and right != sent)
    return "failInfoText contains a right challenge password that the request did not have" if leaked else None


def _leaks(_: Client, answer: Answer) -> str | None:
    text = answer.fail_info_text or ""
    secret = answer.order.challenge
    if secret and secret in text:
        return "failInfoText contains the request's challenge password"
    inside = [word for word in _INTERNAL if word in text]
    return f"internals in failInfoText: {', '.join(inside)}" if inside else None


_TEXT: dict[str, Any] = {"only": _has("failInfoText"), "element": f"{_PLACE}.failInfoText"}
_LEAKS = (
    over("right-challenge", "no challenge password that others can use", _gives_away, **_TEXT),
    over("leak", "a sentence without secrets or internals", _leaks, **_TEXT),
)

watch_here(
    "failinfotext-leaks-nothing",
    "failInfoText contains no secrets and no internals",
    "SCEP-3.2.1.4-11",
    judge=lambda session: (found for judge in _LEAKS for found in judge(session)),
    why="A FAILURE is not encrypted: anyone on the network can read it.",
    tags=("security",),
    breaches=("right-challenge",),
    proofs=(Proof("leak", defects=("leaks-challenge",)), Proof("right-challenge", defects=("shows-challenge",))),
)
