"""Who may use the control port: programs on this machine, or whoever has the token; never a page of another site."""

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
        token: what a client has to show; None: nothing, and the Host has to be this machine by a name of loopback.
        entropy: draws what stands in forms and in cookies.
    """

    def __init__(self, token: str | None, clock: Clock, entropy: Entropy) -> None:
        self._token, self._attempts = token, Attempts(clock)
        self._session, self.form_token = entropy.octets(24).hex(), entropy.octets(24).hex()

    @property
    def wanted(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    def check_host(self, request: HttpRequest) -> None:
        """Without a token, the Host is this machine: a name that was rebound to it is not.

        Raises:
            Denied: 403.
        """
        if self._token is None and _host(request) not in _LOOPBACK:
            raise Denied(403, "the control port answers programs on this machine only")

    def check_program(self, request: HttpRequest) -> None:
        """The request is not from a page in a browser.

        Raises:
            Denied: 403.
        """
        if request.header("Origin") is not None:
            raise Denied(403, "the control port answers programs on this machine only")

    def check_token(self, request: HttpRequest, client: str) -> None:
        """The request has the token, or the cookie of someone who has logged in with it.

        Raises:
            Denied: 401, or 429 after too many wrong ones.
        """
        if self._token is None or self._same(self._cookie(request), self._session):
            return
        scheme, _, given = (request.header("Authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and self.try_token(given.strip().encode("latin-1", "replace"), client):
            return
        said = "is wrong" if scheme else "is missing"
        remedy = "send Authorization: Bearer TOKEN, with what --control-token-file (-env) gave the mock"
        raise Denied(401, f"the token {said}", remedy, _BEARER)

    def try_token(self, given: bytes, client: str) -> bool:
        """Whether these bytes are the token, compared in constant time.

        Raises:
            Denied: 429, the client has to wait after wrong ones.
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
        """A form is from a page of this port.

        Raises:
            Denied: 403.
        """
        origin = request.header("Origin")
        site = (request.header("Sec-Fetch-Site") or "same-origin").lower()
        host = (request.header("Host") or "").lower()
        foreign = origin is not None and origin.lower().partition("://")[2] != host
        if foreign or site != "same-origin" or not self._same(form_token, self.form_token):
            raise Denied(403, "the form is not from this page", "load the page again")

    def cookie(self, request: HttpRequest, *, logged_in: bool) -> tuple[str, str]:
        """The field that gives a browser the cookie, or takes it away."""
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
    """By port: browsers share cookies among the ports of a host, on each of which a mock may be."""
    port = re.search(r":([0-9]{1,5})$", request.header("Host") or "")
    return f"mock-control-{port[1] if port else '0'}"
