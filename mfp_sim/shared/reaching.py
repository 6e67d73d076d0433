"""How a server is reached: trusted TLS certificates, a client certificate, proxies, a login, further HTTP fields.

``run``, ``serve``, ``conform`` and the pytest plugin share one table of options, which gives one value, `Reach`;
``transport`` applies it. Opens no connection. Its secrets are never part of a stored request: they are added to the
bytes just before sending. `Reach.secrets` is for the redactor, since a server may send secrets back. RFC 9110, 9.3.6
and 11; RFC 9112, 3.2.2.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import text_of
from mfp_sim.shared.secret_options import read_secret

__all__ = ["DIRECTLY", "REACH_OPTIONS", "Proxy", "Reach", "asked_for", "basic", "is_loopback", "reach_of"]

REACH_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "tls-ca": {"type": Path, "metavar": "FILE", "help": "PEM file of CAs to trust for TLS, instead of the system's"},
    "tls-insecure": {"action": "store_true", "help": "do not check the server's TLS certificate; the report says so"},
    "tls-cert": {"type": Path, "metavar": "FILE", "help": "PEM file with a TLS client certificate and its chain"},
    "tls-key": {
        "type": Path,
        "metavar": "FILE",
        "help": "PEM file with its private key (default: the file of --tls-cert)",
    },
    "tls-key-password-file": {"type": Path, "metavar": "FILE", "help": "file with the password of that key"},
    "tls-key-password-env": {"metavar": "NAME", "help": "environment variable with the password of that key"},
    "proxy": {
        "metavar": "URL",
        "help": "http://[user:password@]host:port (default: from http_proxy, https_proxy, no_proxy)",
    },
    "no-proxy": {"action": "store_true", "help": "use no proxy, even if the environment names one"},
    "http-login-file": {
        "type": Path,
        "metavar": "FILE",
        "help": "file with user:password for HTTP basic authentication",
    },
    "http-login-env": {"metavar": "NAME", "help": "environment variable with that user:password"},
    "header": {
        "action": "append",
        "default": [],
        "metavar": "'NAME: VALUE'|@FILE",
        "help": "add a header field to each request, or those in a file (repeatable); values are kept secret",
    },
}
"""The options by name, with arguments of ``argparse``, which pytest's ``addoption`` also accepts."""

_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~]*?)[ \t]*")
_OURS: Final = ("host", "content-length", "transfer-encoding", "connection", "content-type", "user-agent", "accept")
"""Fields that only the checks and the transport may set: another value would change the request."""
_HEADERS: Final = 1024 * 1024
"""The largest file of fields, in bytes."""
_SHORTEST_SECRET: Final = 4
"""The least length of a field value to mask. A shorter one (``X-Tenant: 1``) is not a secret, and masking it would
spoil every number."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy. ``login`` is user:password, or None if the proxy does not need one."""

    host: str
    port: int
    login: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Reach:
    """How servers are reached. By default: directly, with TLS certificates checked against the system's CAs.

    ``key_password`` opens ``key``, or the key in ``certificate``. ``proxies`` are pairs of scheme and URL; ``all`` is
    for any scheme, and ``no`` has the hosts that are reached directly. ``login`` is user:password.
    """

    ca: Path | None = None
    insecure: bool = False
    certificate: Path | None = None
    key: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    login: str | None = field(default=None, repr=False)
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no output may show."""
        found = [self.key_password]
        for login in (self.login, *(_login(url) for name, url in self.proxies if name != "no")):
            found += [login, (login or "").partition(":")[2]]
        words = [word for _, value in self.fields for word in (value, value.rpartition(" ")[2])]
        found += [word for word in words if len(word) >= _SHORTEST_SECRET]
        return tuple(dict.fromkeys(secret for secret in found if secret))

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a server, or None if the server is reached directly.

        Raises:
            UsageError: the environment names something that is not an HTTP proxy.
        """
        from urllib.request import (  # type: ignore[attr-defined]  # noqa: PLC0415 - it imports ssl, which --help does not need
            proxy_bypass_environment,
        )

        table = dict(self.proxies)
        url = table.get(scheme) or table.get("all")
        if not url or ("no" in table and (is_loopback(host) or proxy_bypass_environment(f"{host}:{port}", table))):
            return None
        return _proxy(url)

    @property
    def request_fields(self) -> tuple[tuple[str, str], ...]:
        """The fields that are added to every request."""
        return (*([("Authorization", basic(self.login))] if self.login else []), *self.fields)

    @property
    def words(self) -> tuple[str, ...]:
        """The equivalent options, for the command in a report; a secret is replaced by a file that does not exist."""
        given = self.proxies[0][1] if self.proxies and "no" not in dict(self.proxies) else None
        pairs = (
            ("--tls-ca", self.ca),
            ("--tls-cert", self.certificate),
            ("--tls-key", self.key),
            ("--tls-key-password-file", "..." if self.key_password else None),
            ("--proxy", _without_login(given) if given else None),
            ("--http-login-file", "..." if self.login else None),
            *(("--header", f"@{name}.txt") for name, _ in self.fields),
        )
        found = [word for name, value in pairs if value is not None for word in (name, str(value))]
        return (*found, *(["--tls-insecure"] if self.insecure else []))

    @property
    def told(self) -> dict[str, str]:
        """What a report says about it, by name."""
        found = {}
        if self.certificate is not None:
            found["client certificate"] = str(self.certificate)
        if self.login:
            found["HTTP login"] = "basic authentication"
        if self.fields:
            found["added fields"] = ", ".join(name for name, _ in self.fields)
        return found


DIRECTLY: Final = Reach()
"""Without a proxy, and TLS certificates are checked against the system's CAs."""


def basic(login: str) -> str:
    """The credentials of HTTP's basic authentication (RFC 7617)."""
    return f"Basic {base64.b64encode(login.encode()).decode('ascii')}"


def reach_of(options: object, prefix: str = "") -> Reach:
    """How servers are reached, according to the parsed ``options`` of `REACH_OPTIONS` and the environment.

    Args:
        options: the parsed values; each name begins with ``prefix``.
        prefix: for example ``scep_`` for pytest's ``--scep-tls-ca``.

    Raises:
        UsageError: options exclude each other, a secret is missing, or a value is invalid.
    """

    def given(name: str) -> Any:
        return getattr(options, prefix + name)

    def secret(what: str, name: str) -> str | None:
        return read_secret(what, file=given(f"{name}_file"), variable=given(f"{name}_env"))

    named = "--" + prefix.replace("_", "-")
    if given("tls_insecure") and given("tls_ca"):
        raise UsageError(f"{named}tls-ca and {named}tls-insecure are both given", remedy="give only one of the two")
    if given("tls_key") and not given("tls_cert"):
        raise UsageError("a TLS client key is given without a certificate", remedy=f"add {named}tls-cert FILE")
    if given("proxy") and given("no_proxy"):
        raise UsageError(f"{named}proxy and {named}no-proxy are both given", remedy="give only one of the two")
    for name in ("tls_key_password", "http_login"):
        if given(f"{name}_file") and given(f"{name}_env"):
            option = f"{named}{name.replace('_', '-')}"
            raise UsageError(f"{option}-file and {option}-env are both given", remedy="give only one of the two")
    login = secret("HTTP login", "http_login")
    if login is not None and (":" not in login or not login.isprintable()):
        raise UsageError("the HTTP login is not user:password", remedy="write both, with a colon between")
    return Reach(
        ca=given("tls_ca"),
        insecure=given("tls_insecure"),
        certificate=given("tls_cert"),
        key=given("tls_key"),
        key_password=secret("TLS key password", "tls_key_password"),
        proxies=_proxies(given("proxy"), none=given("no_proxy")),
        login=login,
        fields=tuple(_fields(given("header"))),
    )


def asked_for(options: object, prefix: str = "") -> str | None:
    """The first option of `REACH_OPTIONS` that is given, or None."""
    return next((name for name in REACH_OPTIONS if getattr(options, prefix + name.replace("-", "_"))), None)


def _proxies(url: str | None, *, none: bool) -> tuple[tuple[str, str], ...]:
    """The proxies: the given one for every host, or those of the environment, which may except some hosts."""
    if none:
        return ()
    if url is not None:
        _parsed(url)
        return (("all", url),)
    from urllib.request import getproxies_environment  # noqa: PLC0415 - see proxy_for

    found = {name: value for name, value in getproxies_environment().items() if name in ("http", "https", "all", "no")}
    return (*found.items(), *(() if "no" in found else (("no", ""),))) if found.keys() - {"no"} else ()


def _parsed(url: str) -> SplitResult:
    """The parts of a proxy's URL; without a scheme it is http.

    Raises:
        UsageError: the text is not a URL, or not http; the message does not show the password.
    """
    shown = _without_login(url)
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        raise UsageError(f"the proxy {shown!r} is not a URL", remedy="write http://host:port") from None
    if parts.scheme != "http" or not parts.hostname or port == 0:
        remedy = "write http://host:port, or give --no-proxy to ignore the environment's proxy"
        raise UsageError(f"the proxy {shown!r} is not an HTTP proxy", remedy=remedy)
    return parts


_LOGIN: Final = re.compile(r"([A-Za-z0-9+.-]+://)?(.*)@", re.DOTALL)
"""The login of a proxy's URL, up to the last ``@``. It may hold any characters, even those with another meaning in a
URL."""


def _without_login(url: str) -> str:
    found = _LOGIN.match(url)
    return url if found is None else (found[1] or "") + url[found.end() :]


def _proxy(url: str) -> Proxy:
    """The proxy of a URL."""
    parts = _parsed(url)
    return Proxy(parts.hostname or "", parts.port or 80, _login(url))


def _login(url: str) -> str | None:
    """The user:password in a URL, or None."""
    found = _LOGIN.match(url)
    if found is None:
        return None
    user, _, password = found[2].partition(":")
    return f"{unquote(user)}:{unquote(password)}"


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches the host; the proxies of the environment are not used for it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _fields(given: list[str]) -> Iterator[tuple[str, str]]:
    """The fields of ``--header``.

    Raises:
        UsageError: a field cannot be read, or only the program may set it; the message does not show the value.
    """
    for text in given:
        for line in _lines(text[1:]) if text.startswith("@") else [text]:
            found = _FIELD.fullmatch(line)
            if found is None:
                raise UsageError("a header is not printable ASCII of this form", remedy="write --header 'Name: value'")
            if found[1].lower() in _OURS:
                raise UsageError(f"--header cannot set {found[1]}: each request has its own")
            yield found[1], found[2]


def _lines(name: str) -> list[str]:
    text = text_of(Path(name), _HEADERS, what=f"the header file {name}")
    return [line for line in text.splitlines() if line.strip()]
