"""The pages that the mock serves besides SCEP: CRLs, CA certificates, and the page on which NDES hands out challenges.

The words that programs look for on the NDES page are those of the real page, as published clients expect them; the rest
of the page is our own. It is in UTF-16, as from NDES. The contents of a page never go into the journal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from ipaddress import ip_address

from mfp_sim.shared.attempts import Attempts
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.scep.url import Url
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.challenges import CacheFull, OneTimeChallenges
from mock_scep_server.policy import AdminPage

__all__ = ["MockPage", "Pages"]

ADMIN_PATH = "/certsrv/mscep_admin"
CRL_TYPE = "application/pkix-crl"  # RFC 2585, 4.2
CERTIFICATE_TYPE = "application/pkix-cert"  # RFC 2585, 4.1


@dataclass(frozen=True)
class MockPage:
    """The page that a request is for: its name in scripts, and the function that returns the reply and a line for the
    journal. `scripted`: rules apply to it."""

    name: str
    answer: Callable[[], tuple[HttpReply, str]]
    scripted: bool = True


class Pages:
    """Finds the page of a request. There is a page for challenges only if the CA's policy has an admin page."""

    def __init__(self, parts: CaParts) -> None:
        self._parts, self._admin = parts, parts.policy.admin
        self._attempts = Attempts(parts.clock)
        self.names: frozenset[str] | None = None
        """The host names under which the NDES page answers, in lower case; None: all."""

    def find(self, request: HttpRequest, client: str) -> MockPage | None:
        """The page that a GET of `client` is for, or None: then it is for SCEP."""
        path, _, query = request.target.partition("?")
        if request.target == "/" and request.method in ("GET", "HEAD"):
            return MockPage("FrontPage", lambda: (self._front(request), "front page"), scripted=False)
        if self._admin is not None and path.rstrip("/").lower().endswith(ADMIN_PATH):
            admin = self._admin
            return MockPage("AdminPage", lambda: self._admin_page(request, client, admin))
        if request.method != "GET" or "operation=" in query.lower():
            return None
        slug, _, ending = path.rpartition("/")[2].rpartition(".")
        authority = next((a for a in self._parts.authorities.all if a.slug == slug), None)
        if authority is None or ending not in ("crl", "cer"):
            return None
        if ending == "cer":
            octets = authority.issuer.certificate.der
            return MockPage("CACertificate", lambda: (_binary(octets, CERTIFICATE_TYPE), "CA certificate"))
        return MockPage("CRL", partial(self._crl, authority))

    def _front(self, request: HttpRequest) -> HttpReply:
        """Describe this server to someone who opens its address, with nothing that a client could not get."""
        now = self._parts.clock.now()
        authority = self._parts.authorities.default.current(now)
        path = self._parts.profile.path or "/scep"
        named = request.header("Host") or ""
        host = f"{request.scheme}://{named}" if _HOST.fullmatch(named) else ""
        body = _FRONT.format(
            url=escape(host + path),
            caps=escape(f"{path}?operation=GetCACaps"),
            certificate=escape(f"/{authority.slug}.cer"),
            profile=escape(self._parts.profile.name),
            fingerprint=authority.issuer.certificate.fingerprint(),
        ).encode()
        policy = ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'")
        headers = (("Content-Type", "text/html; charset=utf-8"), ("X-Content-Type-Options", "nosniff"), policy)
        if request.method == "HEAD":
            return HttpReply(200, headers=(*headers, ("Content-Length", str(len(body)))))
        return HttpReply(200, headers=headers, body=body)

    def _crl(self, authority: CertificateAuthority) -> tuple[HttpReply, str]:
        crl = self._parts.revocations.current(authority)
        return _binary(crl.der, CRL_TYPE), f"CRL {crl.number}"

    def _admin_page(self, request: HttpRequest, client: str, admin: AdminPage) -> tuple[HttpReply, str]:
        """401, "no permission", "cache is full", or a challenge (F-S04).

        Only a GET gets a challenge, since each takes a place in the cache, and only if no page of another site caused
        it. After wrong passwords a client has to wait.
        """
        if request.method != "GET":
            return HttpReply(405, headers=(("Allow", "GET"),)), f"no challenge for {request.method}"
        foreign = _foreign(request, self.names)
        if foreign is not None:
            return _html(f"<P>{FOREIGN}</P>", 403), f"no challenge: {foreign}"
        wait = math.ceil(self._attempts.wait(client))
        if wait:
            retry = (("Retry-After", str(wait)),)
            return _html(f"<P>{TOO_OFTEN}</P>", 429, retry), f"no challenge: {wait} s to wait after wrong passwords"
        user = _authenticated(request, admin)
        if user is not None:
            self._attempts.succeeded(client)
        elif request.header("Authorization") is not None:
            self._attempts.failed(client)
        if user is None:
            realm = (("WWW-Authenticate", 'Basic realm="mscep_admin"'),)
            return _html("<P>Access is denied.</P>", 401, realm), "access denied"
        if user in admin.no_permission:
            return _html(f"<P>{NO_PERMISSION}</P>"), "no permission"
        if not isinstance(self._parts.challenge, OneTimeChallenges):
            return _html("<P>This CA does not need or hand out challenge passwords.</P>"), "no one-time challenges"
        now = self._parts.clock.now()
        try:
            with self._parts.lock:
                secret = self._parts.challenge.give(now)
        except CacheFull:
            return _html(f"<P>{CACHE_FULL}</P>"), "cache full"
        minutes = int(self._parts.challenge.lifetime.total_seconds() // 60)
        octets = self._parts.authorities.default.current(now).issuer.certificate.der
        digest = hashlib.md5(octets, usedforsecurity=False).hexdigest().upper()  # NDES shows an MD5 thumbprint
        thumbprint = " ".join(digest[start : start + 8] for start in range(0, 32, 8))
        body = (
            f"<P>The thumbprint (hash value) for the CA certificate is: <B> {thumbprint} </B></P>"
            f"<P>The enrollment challenge password is: <B> {secret} </B></P>"
            f"<P>This password can be used only once and will expire within {minutes} minutes.</P>"
            "<P>Each enrollment requires a new challenge password.</P>"
        )
        return _html(body), "challenge given"


NO_PERMISSION = "You do not have sufficient permission to enroll with SCEP."
TOO_OFTEN = "The password was wrong too often, so it was not checked. Try again later."
CACHE_FULL = "The password cache is full."
FOREIGN = "A page of another site requested this page."


_HOST = re.compile(r"([A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_FRONT = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mock SCEP CA</title>
<style>:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }}
code {{ overflow-wrap: anywhere }}</style>
</head><body><main>
<h1>Mock SCEP CA</h1>
<p>A CA for tests (RFC 8894), profile {profile}. Do not trust its certificates.</p>
<p>SCEP URL: <code>{url}</code></p>
<p><a href="{caps}">GetCACaps</a>, <a href="{certificate}">CA certificate</a></p>
<p>SHA-256 of the CA certificate: <code>{fingerprint}</code></p>
</main></body></html>
"""


def _foreign(request: HttpRequest, names: frozenset[str] | None) -> str | None:
    """Why a page of another site may have sent the browser: a name rebound to this address, or another origin. None if
    nothing indicates that."""
    host = request.header("Host")
    try:
        named = Url.parse(f"//{host}").host if host is not None else "localhost"
    except ValueError:
        return "the Host is not a host"
    if names is not None and named not in names and not named.endswith(".localhost") and not _is_address(named):
        return "the Host is not a name of this server (add it with --server-name)"
    origin = request.header("Origin")
    if origin is not None and origin.lower().partition("://")[2] != (host or "").lower():
        return "the Origin is another site"
    if (request.header("Sec-Fetch-Site") or "none").lower() not in ("none", "same-origin"):
        return "a page of another site sends the request"
    return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _authenticated(request: HttpRequest, admin: AdminPage) -> str | None:
    """The user of the Authorization field, if the password is right; users without permission have the same
    password."""
    scheme, _, given = (request.header("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    known = user == admin.user or user in admin.no_permission
    return user if known and hmac.compare_digest(password.encode(), admin.password.encode()) else None


def _html(body: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> HttpReply:
    text = f"<HTML><HEAD><TITLE>Network Device Enrollment Service</TITLE></HEAD><BODY>{body}</BODY></HTML>"
    octets = b"\xff\xfe" + text.encode("utf-16-le")
    return HttpReply(status, headers=(("Content-Type", "text/html"), *headers), body=octets)


def _binary(octets: bytes, media_type: str) -> HttpReply:
    return HttpReply(200, headers=(("Content-Type", media_type),), body=octets)
