"""The situations of an examination: a script of the CA, the verbs for the client, and the right conduct.

Most come from the catalogue of faults, which says for each fault what a correct client does. Faults that no verb of the
protocol can reach are left out, and `left_out` says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

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
    "html-login-page", "reset", "get-ca", "get-ca-rogue-ca", "get-crl", "getcrl-other-issuer",
)  # fmt: skip
"""The situations that decide most."""
_POLLS: tuple[ClientVerb, ...] = ("enrol", "poll", "poll", "poll")
_FAILURES = ("badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId")


def _plain() -> Iterator[Situation]:
    """Situations at a CA that does nothing wrong."""
    shows = "ends the request as failed and shows failInfo and failInfoText to its operator"
    polls = "keeps key and transaction and polls, up to its own limit"
    yield Situation("ra", "an RA with two certificates is in front of the CA", "takes",
                    "encrypts to the encryption certificate of the RA", ca="ra: split",
                    requirements=("SCEP-3.5.2-03",))  # fmt: skip
    yield Situation("pending-once", "the first reply is PENDING, the second SUCCESS", "polls", polls,
                    "[{when: {type: PKCSReq}, then: pending, times: 1}]", _POLLS)  # fmt: skip
    refused = "{when: {operation: PKIOperation}, then: {failure: 2}}"
    yield Situation("pending-then-refused", "the reply is PENDING, then FAILURE", "fails", shows,
                    "[{when: {type: PKCSReq}, then: pending, times: 1}, " + refused + "]", _POLLS)  # fmt: skip
    for number, name in enumerate(_FAILURES):
        yield Situation(f"refused-{name.lower()}", f"the CA replies with FAILURE {name}", "shows", shows,
                        f"[{{when: {{operation: PKIOperation}}, then: {{failure: {number}, text: no}}}}]")  # fmt: skip
    yield Situation("renewal", "the certificate is renewed", "renews",
                    "has a new certificate, and used the old one to request it",
                    verbs=("renew",), before=("enrol",))  # fmt: skip
    yield Situation("renewal-refused", "the renewal is refused", "fails", "keeps its certificate",
                    f"[{refused}]", ("renew",), ("enrol",))  # fmt: skip
    yield _fetch("get-ca", "", "the CA sends its certificate", "fetches", requirements=("SCEP-4.2-01",))
    yield _fetch("get-ca", "-ra", "the CA sends its certificate and two of an RA", "fetches", ca="ra: split",
                 requirements=("SCEP-4.2.1.2-02",))  # fmt: skip
    yield _fetch("get-next-ca", "", "the CA has published its next certificate", "fetches", ca=_ROLLOVER,
                 requirements=("SCEP-4.7-01",))  # fmt: skip
    yield _fetch("get-next-ca", "-not-offered", "the CA does not advertise GetNextCACert", "fetches-nothing",
                 requirements=("SCEP-4.7-03",))  # fmt: skip
    yield _fetch("get-crl", "", "the CA sends its CRL", "fetches", requirements=("SCEP-4.6-01",))
    yield _fetch("get-crl", "-refused", "the CA replies to GetCRL with FAILURE badCertId", "fetches-nothing",
                 "[{when: {type: GetCRL}, then: {failure: 4, text: no}}]",
                 requirements=("SCEP-3.2.1.4-07",))  # fmt: skip


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
    "next": "only the verb get-next-ca asks for it",
    "rollover": "no client requests a certificate of the next CA by itself",
    "query": "the protocol has no verb for GetCert",
    "direct": "no client requests this by itself",
    "twice": "the protocol has no verb for two enrolments at once",
    "sha-512": "the protocol cannot choose a digest",
    "tls": "the client is examined over HTTP",
}


_ROLLOVER = "rollover: {publish: 0s, switch: 30d}"
_FETCHED: Mapping[ClientVerb, str] = {
    "get-ca": "the certificates of the CA that it was given",
    "get-next-ca": "the certificates of the next CA",
    "get-crl": "the CRL of its CA",
}
"""What a verb fetches, in words."""
_FETCHES: Mapping[str, tuple[str, str]] = {
    "fetches": ("leaves {what}", ""),
    "tolerates": ("leaves {what}: the deviation is legal, harmless, or known from the field",
                  "takes ignores-ku ignores-extra"),
    "fetches-nothing": ("leaves nothing, and reports the reason",
                        "refuses http fails next-refuses next-none reads-caps"),
    "fetches-malformed": ("refuses the reply, or accepts it all the same: it is malformed, but comes from the CA",
                          "malformed"),
    "fetches-ca": ("refuses a certificate that is not a CA certificate as its issuer, or reports that it accepts one",
                   "no-ca"),
    "compares": ("compares the fingerprint, and leaves only certificates for which the CA that it was given vouches",
                 "ca-check ca-check-bag"),
    "may-fetch": ("leaves {what}, or refuses the reply", "dates either"),
}  # fmt: skip
"""By word for the right conduct of a client that fetches: the sentence, and the words of the faults' catalogue for the
same conduct at an enrolment."""
_FETCHES_DIFFERENTLY: Mapping[str, str] = {
    "getcacert-missing-issuer": "compares",  # the given certificate is not in the reply
    "getcrl-in-certs": "may-fetch",  # RFC 8894, 3.3.2.1: the reply MUST contain the CRL in the crls field
    "next-flat": "may-fetch",  # RFC 8894, 4.7.1: the content is a degenerate SignedData
}
"""By fault: the word, where the catalogue's word is about an enrolment or more tolerant than the RFC."""


def _fetch(verb: ClientVerb, suffix: str, title: str, word: str, script: str = "[]", **more: Any) -> Situation:
    """A situation of a verb that fetches. A CRL is asked for with the client's certificate."""
    before: tuple[ClientVerb, ...] = ("enrol",) if verb == "get-crl" else ()
    correct = _FETCHES[word][0].format(what=_FETCHED[verb])
    return Situation(verb + suffix, title, word, correct, script, (verb,), before, **more)


def _fetched_by(entry: FaultEntry) -> ClientVerb | None:
    """The verb that fetches a reply which a fault changes; None if an enrolment shows everything.

    A fault of every request is the same for all verbs. Of the faults of all messages, a GetCRL repeats those that a
    client must refuse, since only these make it accept a CRL that it must not have.
    """
    requests = entry.requests
    if not entry.in_scripts or entry.alias_of or "" in requests:
        return None
    if entry.proof == "next":
        return "get-next-ca"
    if entry.proof == "enrol" and "GetCACert" in requests:
        return "get-ca"
    of_a_crl = entry.proof == "query" or (entry.proof == "enrol" and entry.client == "refuses")
    return "get-crl" if of_a_crl and "GetCRL" in requests else None


def _of_fetch(entry: FaultEntry, variant: str | None, verb: ClientVerb) -> Situation:
    same = next(word for word, (_, words) in _FETCHES.items() if entry.client in words.split())
    made = _fetch(
        verb, "-" + entry.slug.removeprefix("getcacert-") + _suffix(entry, variant), _title(entry, variant),
        _FETCHES_DIFFERENTLY.get(entry.slug, same), f"[{{faults: [{entry.written(variant)}]}}]", slug=entry.slug,
        requirements=entry.requirements, field_failures=entry.field_failures, reissues=_reissues(entry),
    )  # fmt: skip
    return made if entry.proof == "enrol" else replace(made, id=made.id.removeprefix(f"{verb}-"))


def _of_fault(entry: FaultEntry, variant: str | None) -> Situation:
    before, verbs, earlier = _SETTINGS[entry.proof]
    written = entry.written(variant)
    script = f"[{{faults: [{before}{written}]}}]"
    if entry.client == "lost":
        verbs = (*verbs, "enrol")  # like its operator or its timer: it must repeat the same request
        if entry.family != "decisions":  # those count on their own
            script = f"[{{when: {{type: PKCSReq}}, times: 1, faults: [{before}{written}]}}]"
    return Situation(
        entry.slug + _suffix(entry, variant),
        _title(entry, variant),
        entry.client,
        entry.correct_client,
        script,
        verbs,
        earlier,
        entry.slug,
        entry.requirements,
        entry.field_failures,
        reissues=_reissues(entry),
    )


def _suffix(entry: FaultEntry, variant: str | None) -> str:
    if variant is None or variant == entry.variants[0]:
        return ""
    return "-" + re.sub("[^a-z0-9]+", "-", variant).strip("-")


def _title(entry: FaultEntry, variant: str | None) -> str:
    return entry.sentence.rstrip(".") + (f" ({variant})" if variant else "")


def _reissues(entry: FaultEntry) -> bool:
    return entry.layer == "certificates" and not entry.client.startswith("ca-check")


def left_out(entry: FaultEntry) -> str | None:
    """Why there is no situation of a fault; None where there is one."""
    if not entry.in_scripts:
        return "TLS begins before there is a request"
    if entry.alias_of:
        return f"it looks like {entry.alias_of}"
    if _fetched_by(entry) is not None:
        return None
    return _not_at_an_enrolment(entry)


def _not_at_an_enrolment(entry: FaultEntry) -> str | None:
    if entry.proof not in _OTHERWISE and entry.client not in CONDUCT:
        return "the right conduct is more than one word of the catalogue"
    return _OTHERWISE.get(entry.proof)


@cache
def situations() -> tuple[Situation, ...]:
    """All of them, without the two controls, in the order in which they are tried."""
    with_one = [entry for entry in FAULTS.values() if left_out(entry) is None]
    faults = [
        _of_fault(entry, variant)
        for entry in with_one if _not_at_an_enrolment(entry) is None
        for variant in entry.variants
    ]  # fmt: skip
    fetches = [
        _of_fetch(entry, variant, verb)
        for entry in with_one if (verb := _fetched_by(entry)) is not None
        for variant in entry.variants
    ]  # fmt: skip
    return (*_plain(), *faults, *fetches)
