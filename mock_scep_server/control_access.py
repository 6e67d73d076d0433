"""Decides who may use the control port: local programs, or any client with the token; never a page of another site."""

from __future__ import annotations

import hmac
import math
import re

from mfp_sim.shared.attempts import Attempts
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import Clock, Entropy
from mock_scep_server.control_routes import Denied

__all__ = ["Access"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_BEARER = (("WWW-Authenticate", 'Bearer realm="mock SCEP CA"'),)


class Access:
    """The checks of the control port.

    Args:
        token: what a client has to present; None: nothing, but the Host has to be a loopback name of this computer.
        entropy: the source of the tokens in forms and cookies.
    """

    def __init__(self, token: str | None, clock: Clock, entropy: Entropy) -> None:
        self._token, self._attempts = token, Attempts(clock)
        self._session, self.form_token = entropy.octets(24).hex(), entropy.octets(24).hex()

    @property
    def wanted(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    def check_host(self, request: HttpRequest) -> None:
        """Without a token, check that the Host is this computer; a rebound DNS name is refused.

        Raises:
            Denied: 403.
        """
        if self._token is None and _host(request) not in _LOOPBACK:
            raise Denied(403, "the control port answers only programs on this computer")

    def check_program(self, request: HttpRequest) -> None:
        """Check that the request does not come from a page in a browser.

        Raises:
            Denied: 403.
        """
        if request.header("Origin") is not None:
            raise Denied(403, "the control port answers only programs on this computer")

    def check_token(self, request: HttpRequest, client: str) -> None:
        """Check that the request has the token, or the cookie of a login with it.

        Raises:
            Denied: 401, or 429 after too many wrong tokens.
        """
        if self._token is None or self._same(self._cookie(request), self._session):
            return
        scheme, _, given = (request.header("Authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and self.try_token(given.strip().encode("latin-1", "replace"), client):
            return
        said = "is wrong" if scheme else "is missing"
        remedy = "send Authorization: Bearer TOKEN, with the token of --control-token-file (or -env)"
        raise Denied(401, f"the token {said}", remedy, _BEARER)

    def try_token(self, given: bytes, client: str) -> bool:
        """Whether the bytes equal the token, compared in constant time.

        Raises:
            Denied: 429, the client has to wait after wrong tokens.
        """
        wait = math.ceil(self._attempts.wait(client))
        if wait:
            remedy = f"try again in {wait} s"
            raise Denied(429, "the token was wrong too often", remedy, (("Retry-After", str(wait)),))
        assert self._token is not None
        right = hmac.compare_digest(given, self._token.encode())
        (self._attempts.succeeded if right else self._attempts.failed)(client)
        return right

    def check_form(self, request: HttpRequest, form_token: str) -> None:
        """Check that a form comes from a page of this port.

        Raises:
            Denied: 403.
        """
        origin = request.header("Origin")
        site = (request.header("Sec-Fetch-Site") or "same-origin").lower()
        host = (request.header("Host") or "").lower()
        foreign = origin is not None and origin.lower().partition("://")[2] != host
        if foreign or site != "same-origin" or not self._same(form_token, self.form_token):
            raise Denied(403, "the form does not come from this page", "load the page again")

    def cookie(self, request: HttpRequest, *, logged_in: bool) -> tuple[str, str]:
        """The header field that sets or deletes the cookie of a browser."""
        value, age = (self._session, "") if logged_in else ("", "; Max-Age=0")
        return "Set-Cookie", f"{_cookie_name(request)}={value}; Path=/; HttpOnly; SameSite=Strict{age}"

    def _cookie(self, request: HttpRequest) -> str:
        pairs = (part.strip().partition("=") for part in (request.header("Cookie") or "").split(";"))
        return next((value for name, _, value in pairs if name == _cookie_name(request)), "")

    def _same(self, given: str, wanted: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _host(request: HttpRequest) -> str:
    try:
        return Url.parse(f"//{request.header('Host') or 'localhost'}").host
    except ValueError:
        return ""


def _cookie_name(request: HttpRequest) -> str:
    """The name depends on the port: browsers share cookies among the ports of a host, each of which may be a mock."""
    port = re.search(r":([0-9]{1,5})$", request.header("Host") or "")
    return f"mock-control-{port[1] if port else '0'}"
