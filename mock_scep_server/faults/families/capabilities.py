"""Faults of GetCACaps: the list itself, its form, its HTTP reply, and lists that lie. RFC 8894, 2.9 and 3.5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mfp_sim.shared.scep.http_messages import PKI_MESSAGE
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.combined import Together, at
from mock_scep_server.faults.decide import failed, http
from mock_scep_server.faults.delivery import CutOff
from mock_scep_server.faults.http_reply import HeaderField, PageInstead
from mock_scep_server.faults.message import Caps, Said
from mock_scep_server.faults.registry import Spec, one_of
from mock_scep_server.publishing import CaCapabilities

__all__ = ["HTML", "and_also", "words"]

CAPS = "GetCACaps"
HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form action='/login'></form></body></html>\n"


KeywordChange = tuple[str, ...]


def _listed(change: Callable[[KeywordChange], KeywordChange]) -> Caps:
    """Replace the keywords by a function of those that the CA lists."""
    return Caps(lambda published, context: replace(published, words=change(published.words)))


def words(*chosen: str) -> Caps:
    """List exactly these keywords."""
    return _listed(lambda own: chosen)


def ends(*chosen: str) -> Caps:
    """End the lines with these line ends, in turn."""
    return Caps(lambda published, context: replace(published, ends=chosen))


def without(*gone: str) -> Caps:
    """Remove these keywords from the list."""
    return _listed(lambda own: tuple(word for word in own if word not in gone))


def and_also(*more: str) -> Caps:
    """Add these keywords to the list."""
    return _listed(lambda own: (*own, *(word for word in more if word not in own)))


def _each(change: str) -> Caps:
    """Rewrite every keyword."""
    return _listed(lambda own: tuple(change.format(word) for word in own))


def _case(own: KeywordChange) -> KeywordChange:
    return tuple(word.lower() if i % 2 else word.upper() for i, word in enumerate(own))


def _huge(own: KeywordChange) -> KeywordChange:
    return (*own, *(f"Example.com-Feature-{n}" for n in range(10_000 - len(own))))


def _unknown(own: KeywordChange) -> KeywordChange:
    return ("Example.com-Foo", *own[:2], "SHA3-512", "X" * 2048, *own[2:])


def _shuffled(published: CaCapabilities, context: Context) -> CaCapabilities:
    left, drawn = list(published.words), []
    while left:
        drawn.append(left.pop(context.entropy.integer(0, len(left) - 1)))
    return replace(published, words=tuple(drawn))


def _changed(published: CaCapabilities, context: Context) -> CaCapabilities:
    """The whole list before the first certificate, a weak one after it."""
    minted = context.ledger.counts["minted"] > 0
    return replace(published, words=("DES3", "POSTPKIOperation", "SHA-1") if minted else published.words)


def lie(keyword: str, *refused: Fault) -> Together:
    """List the keyword, but refuse what it promises."""
    return Together((at(CAPS, and_also(keyword)), *refused))


def _bad_alg(name: str) -> Fault:
    return failed(0, f"{name} is refused regardless of GetCACaps")


CONTENT_TYPES = {
    "text/html": "text/html; charset=utf-8",
    "octet-stream": "application/octet-stream",
    "pki-message": PKI_MESSAGE,
    "missing": None,
}
ENROLLING = "PKCSReq RenewalReq CertPoll GetCert GetCRL"

TABLE: dict[str, Spec] = {
    "advertise-update": Spec("message", lambda: at(CAPS, without("Renewal"), and_also("Update"))),
    "caps-404": Spec("http", lambda: at(CAPS, PageInstead(404, "text/plain", b"not found\n"))),
    "caps-500": Spec("http", lambda: at(CAPS, PageInstead(500, "text/plain", b"internal error\n"))),
    "caps-blank-lines": Spec(
        "message", lambda: _listed(lambda own: tuple(line for word in own for line in ("", word)))
    ),
    "caps-bom": Spec("message", lambda: _listed(lambda own: ("\ufeff" + "".join(own[:1]), *own[1:]))),
    "caps-case": Spec("message", lambda: _listed(_case)),
    "caps-change": Spec("message", lambda: Caps(_changed)),
    "caps-close": Spec("delivery", lambda: at(CAPS, CutOff("close"))),
    "caps-content-type": one_of(
        "http", "form", CONTENT_TYPES, lambda form: at(CAPS, HeaderField("Content-Type", form))
    ),
    "caps-cr-only": Spec("message", lambda: ends("\r")),
    "caps-crlf": Spec("message", lambda: ends("\r\n")),
    "caps-empty": Spec("message", lambda: words()),
    "caps-html": Spec("http", lambda: at(CAPS, PageInstead(200, "text/html", HTML))),
    "caps-huge": Spec("message", lambda: _listed(_huge)),
    "caps-lf": Spec("message", lambda: ends("\n")),
    "caps-lie-aes": Spec("decide", lambda: lie("AES", at(ENROLLING, _bad_alg("AES"), cipher="aes"))),
    "caps-lie-des3": Spec("decide", lambda: lie("DES3", at(ENROLLING, _bad_alg("3DES"), cipher="des-ede3"))),
    "caps-lie-getnextcacert": Spec("decide", lambda: lie("GetNextCACert", at("GetNextCACert", http(404)))),
    "caps-lie-postpkioperation": Spec(
        "decide", lambda: lie("POSTPKIOperation", at("PKIOperation", http(405), method="POST"))
    ),
    "caps-lie-renewal": Spec(
        "decide", lambda: lie("Renewal", at("RenewalReq", failed(2, "RenewalReq is not supported")))
    ),
    "caps-lie-sha-1": Spec("decide", lambda: lie("SHA-1", at(ENROLLING, _bad_alg("SHA-1"), digest="sha1"))),
    "caps-lie-sha-256": Spec("decide", lambda: lie("SHA-256", at(ENROLLING, _bad_alg("SHA-256"), digest="sha256"))),
    "caps-lie-sha-512": Spec("decide", lambda: lie("SHA-512", at(ENROLLING, _bad_alg("SHA-512"), digest="sha512"))),
    "caps-mixed": Spec("message", lambda: ends("\n", "\r\n")),
    "caps-only-post": Spec("message", lambda: words("POSTPKIOperation")),
    "caps-only-scepstandard": Spec("message", lambda: words("SCEPStandard")),
    "caps-order-shuffled": Spec("message", lambda: Caps(_shuffled)),
    "caps-quoted": Spec("message", lambda: _each('"{}"')),
    "caps-stripped": Spec("message", lambda: without("SCEPStandard", "AES", "SHA-256", "SHA-512", "POSTPKIOperation")),
    "caps-trailing-space": Spec("message", lambda: _each("{} \t ")),
    "caps-unknown": Spec("message", lambda: _listed(_unknown)),
    "caps-upgrade": Spec(
        "decide",
        lambda: Together(
            (
                at(CAPS, and_also("GetNextCACert", "Renewal", "SHA-384")),
                at("GetNextCACert", http(501)),
                at("RenewalReq", failed(2, "RenewalReq is not supported")),
            )
        ),
    ),
    "caps-weak-keywords": Spec("message", lambda: and_also("DES", "MD5")),
    "get-only": Spec(
        "decide",
        lambda: Together(
            (at(CAPS, without("SCEPStandard", "POSTPKIOperation")), at("PKIOperation", http(405), method="POST"))
        ),
    ),
    "legacy-only-caps": Spec(
        "message",
        lambda: Together(
            (
                words("DES3", "SHA-1", "POSTPKIOperation"),
                Said(lambda reply, context: replace(reply, cipher="des-ede3-cbc", digest="sha1")),
            )
        ),
    ),
    "no-8894-additions": Spec(
        "message",
        lambda: Together((without("SCEPStandard"), Said(lambda reply, context: replace(reply, fail_info_text=None)))),
    ),
    "no-renewal-cap": Spec(
        "decide",
        lambda: Together((at(CAPS, without("Renewal")), at("RenewalReq", failed(2, "RenewalReq is not offered")))),
    ),
    "post-405": Spec("decide", lambda: at("PKIOperation", http(405), method="POST")),
}
