"""Faults of the connection: the reply is late, broken off, or never arrives. RFC 8894, 2.5.1 and 4.1."""

from __future__ import annotations

from typing import Literal

from mfp_sim.shared.documents.kinds import Duration, Within
from mock_scep_server.faults.base import Fault
from mock_scep_server.faults.combined import InTurn, at
from mock_scep_server.faults.delivery import CutOff, Delay, Drip, Place, Reframed, without
from mock_scep_server.faults.registry import Spec, among, argument, one_of

PKI = "PKIOperation"
SECONDS = argument("seconds", Duration(), 31.0)
AFTER = argument("after", Within(0, 2**20), 0, "the number of bytes of the reply that still arrive")
NO_RESPONSE: dict[str, Fault] = {
    "close": at(PKI, CutOff("close")),
    "stall": at(PKI, CutOff("stall")),
    "half": at(PKI, CutOff("close", "half")),
}
PLACES: dict[str, Place] = {
    "before-headers": 0,
    "within-headers": "in-head",
    "after-headers": "head",
    "within-body": "half",
}


def _promise(head: bytes, body: bytes) -> bytes:
    """The reply, with the promise that the connection stays open."""
    return without(head, b"Connection:") + b"Connection: keep-alive\r\n\r\n" + body


def _lost(how: Literal["reset", "stall"]) -> Fault:
    """The first reply to a request for a certificate is decided but does not arrive."""
    return at("PKCSReq RenewalReq", InTurn((CutOff(how, 0),)))


TABLE: dict[str, Spec] = {
    "delay": Spec("delivery", lambda seconds: Delay(seconds), (argument("seconds", Duration()),)),
    "reset": Spec("delivery", lambda after: CutOff("reset", after), (AFTER,)),
    "stall": Spec("delivery", lambda after: CutOff("stall", after), (AFTER,)),
    "truncate": Spec("delivery", lambda after: CutOff("close", after), (argument("after", Within(0, 2**20)),)),
    "no-response": among("delivery", "how", NO_RESPONSE),
    "slow-reply": Spec("delivery", lambda seconds: at(PKI, Delay(seconds)), (SECONDS,)),
    "http-slow": Spec("delivery", lambda every: at(PKI, Drip(every)), (argument("every", Duration(), 1.0),)),
    "reset-in-reply": one_of("delivery", "place", PLACES, lambda place: at(PKI, CutOff("reset", place))),
    "stall-in-body": Spec("delivery", lambda: at(PKI, CutOff("stall", "half"))),
    "pause-in-reply": Spec("delivery", lambda seconds: at(PKI, Delay(seconds, 40)), (SECONDS,)),
    "close-after-getcacert": Spec("delivery", lambda: at("GetCACert", Reframed(_promise, close=True))),
    "issue-then-reset": Spec("delivery", lambda: _lost("reset")),
    "issue-then-stall": Spec("delivery", lambda: _lost("stall")),
    # TLS precedes the first request: mock_scep_server/tls.py implements these.
    "tls-untrusted": Spec("delivery", option="--tls untrusted"),
    "tls-other-pki": Spec("delivery", option="--tls other-pki"),
    "tls-client-chain": Spec("delivery", option="--tls other-pki --tls-client-ca root.pem"),
}
