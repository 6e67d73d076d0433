"""The situations of an examination: a script of the CA, the verbs for the client, and the right conduct.

Most come from the catalogue of faults, which says for each fault what a correct client does. Faults that no verb of the
protocol can reach are left out, and `left_out` says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mfp_sim.examination.judging import CONDUCT
from mfp_sim.examination.program import ClientVerb
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.registry import FaultEntry

__all__ = ["FIRST", "LAST", "QUICK", "Situation", "left_out", "situations"]


@dataclass(frozen=True)
class Situation:
    """One situation.

    ``word`` says what a correct client does (`mfp_sim.examination.judging.CONDUCT`), and ``correct`` the same in a
    sentence. ``script`` is the CA's, as YAML; it is active after the verbs of ``before``. The client gets the next of
    ``verbs`` while it has no certificate. ``slug`` is the fault that must act. ``ca`` changes the CA's section.
    ``reissues``: the CA has another certificate here, and the client gets this one.
    """

    id: str
    title: str
    word: str
    correct: str
    script: str = "[]"
    verbs: tuple[ClientVerb, ...] = ("enrol",)
    before: tuple[ClientVerb, ...] = ()
    slug: str | None = None
    requirements: tuple[str, ...] = ()
    field_failures: tuple[str, ...] = ()
    ca: str = ""
    reissues: bool = False


FIRST, LAST = (
    Situation(f"control-{which}", f"nothing is wrong: the {which} enrolment", "enrols", "enrols")
    for which in ("first", "last")
)
QUICK = (
    "ra", "pending-once", "pending-then-refused", "refused-badrequest", "renewal", "renewal-refused", "caps-crlf",
    "caps-404", "bad-signature", "certrep-stranger-signer", "forged-failure", "nonce-mismatch", "bad-attr",
    "transactionid-mismatch", "success-wrong-key", "success-foreign-issuer", "success-order-reversed", "http-5xx",
    "html-login-page", "reset",
)  # fmt: skip
"""The situations that decide most."""
_POLLS: tuple[ClientVerb, ...] = ("enrol", "poll", "poll", "poll")
_FAILURES = ("badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId")


def _plain() -> Iterator[Situation]:
    """Situations at a CA that does nothing wrong."""
    tells = "ends the request as failed and shows failInfo and failInfoText to its operator"
    polls = "keeps key and transaction and polls, up to its own limit"
    yield Situation("ra", "an RA with two certificates is in front of the CA", "takes",
                    "encrypts to the encryption certificate of the RA", ca="ra: split",
                    requirements=("SCEP-3.5.2-03",))  # fmt: skip
    yield Situation("pending-once", "the first reply is PENDING, the second SUCCESS", "polls", polls,
                    "[{when: {type: PKCSReq}, then: pending, times: 1}]", _POLLS)  # fmt: skip
    refused = "{when: {operation: PKIOperation}, then: {failure: 2}}"
    yield Situation("pending-then-refused", "the reply is PENDING, then FAILURE", "fails", tells,
                    "[{when: {type: PKCSReq}, then: pending, times: 1}, " + refused + "]", _POLLS)  # fmt: skip
    for number, name in enumerate(_FAILURES):
        yield Situation(f"refused-{name.lower()}", f"the CA replies with FAILURE {name}", "tells", tells,
                        f"[{{when: {{operation: PKIOperation}}, then: {{failure: {number}, text: no}}}}]")  # fmt: skip
    yield Situation("renewal", "the certificate is renewed", "renews",
                    "has a new certificate, and used the old one to request it",
                    verbs=("renew",), before=("enrol",))  # fmt: skip
    yield Situation("renewal-refused", "the renewal is refused", "fails", "keeps its certificate",
                    f"[{refused}]", ("renew",), ("enrol",))  # fmt: skip


_SETTINGS: Mapping[str, tuple[str, tuple[ClientVerb, ...], tuple[ClientVerb, ...]]] = {
    "enrol": ("", ("enrol",), ()),
    "poll": ("", _POLLS, ()),
    "deferred": ("{pending-n: 1}, ", _POLLS, ()),
    "renew": ("", ("renew",), ("enrol",)),
    "get": ("get-only, ", ("enrol",), ()),
    "weak": ("caps-stripped, ", ("enrol",), ()),
    "crlf": ("caps-crlf, ", ("enrol",), ()),
    "refused": ("fail-badrequest, ", ("enrol",), ()),
}
"""By situation in which a fault is proved: the faults that cause it, verbs, and verbs before."""
_OTHERWISE: Mapping[str, str] = {
    "next": "the protocol has no verb for GetNextCACert",
    "rollover": "the protocol has no verb for GetNextCACert",
    "query": "the protocol has no verb for GetCert, and a CRL leaves no certificate to examine",
    "direct": "no client requests this by itself",
    "twice": "the protocol has no verb for two enrolments at once",
    "sha-512": "the protocol cannot choose a digest",
    "tls": "the client is examined over HTTP",
}


def _of_fault(entry: FaultEntry, variant: str | None) -> Situation:
    before, verbs, earlier = _SETTINGS[entry.proof]
    written = entry.written(variant)
    script = f"[{{faults: [{before}{written}]}}]"
    if entry.client == "lost":
        verbs = (*verbs, "enrol")  # like its operator or its timer: it must repeat the same request
        if entry.family != "decisions":  # those count on their own
            script = f"[{{when: {{type: PKCSReq}}, times: 1, faults: [{before}{written}]}}]"
    suffix = (
        "" if variant is None or variant == entry.variants[0] else "-" + re.sub("[^a-z0-9]+", "-", variant).strip("-")
    )
    return Situation(
        entry.slug + suffix,
        entry.sentence.rstrip(".") + (f" ({variant})" if variant else ""),
        entry.client,
        entry.correct_client,
        script,
        verbs,
        earlier,
        entry.slug,
        entry.requirements,
        entry.field_failures,
        reissues=entry.layer == "certificates" and not entry.client.startswith("ca-check"),
    )


def _in_an_id(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text).strip("-")


def left_out(entry: FaultEntry) -> str | None:
    """Why there is no situation of a fault; None where there is one."""
    if not entry.in_scripts:
        return "TLS begins before there is a request"
    if entry.alias_of:
        return f"it looks like {entry.alias_of}"
    if entry.proof not in _OTHERWISE and entry.client not in CONDUCT:
        return "the right conduct is more than one word of the catalogue"
    return _OTHERWISE.get(entry.proof)


@cache
def situations() -> tuple[Situation, ...]:
    """All of them, without the two controls, in the order in which they are tried."""
    faults = [
        _of_fault(entry, variant)
        for entry in FAULTS.values() if left_out(entry) is None
        for variant in entry.variants
    ]  # fmt: skip
    return (*_plain(), *faults)
