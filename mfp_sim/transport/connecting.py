"""Opens a connection for requests: name, TCP, the proxy's CONNECT and the TLS handshake, under one deadline.

`Reach` decides which CAs are trusted, which certificate is shown, and which proxy is used. OpenSSL checks certificates
by the computer's clock. This module has a sentence and a remedy for each failure. It must not know SCEP.
RFC 8446; RFC 9110, 9.3.6.
"""

from __future__ import annotations

import errno
import http
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from mfp_sim.shared.errors import ConnectFailed, ConnectionLost, TransportError, UsageError
from mfp_sim.shared.files import readable
from mfp_sim.shared.reaching import Proxy, Reach, basic
from mfp_sim.shared.scep.http_messages import HttpRequest, render_request
from mfp_sim.transport.reader import Deadline, SocketSource, connect_failed, deadline_exceeded, place_of, read_reply

__all__ = [
    "TlsSession", "TlsSource", "connect", "handshake", "proxy_refusal", "through_proxy", "tls_context", "tls_refusal",
]  # fmt: skip


@dataclass(frozen=True)
class TlsSession:
    """What a TLS server presented: version, cipher, and its certificate chain in DER, its own certificate first.

    ``verified``: the chain was checked, and is valid for its name. Before Python 3.13, the chain may be only the first
    certificate.
    """

    version: str
    cipher: str
    chain: tuple[bytes, ...]
    verified: bool


@lru_cache(maxsize=16)  # loading the system's CAs takes longer than a whole exchange
def tls_context(reach: Reach) -> ssl.SSLContext:
    """The client's side of TLS.

    Raises:
        UsageError: a file cannot be read, holds no certificate or key, or its password is wrong.
    """
    try:
        context = ssl.create_default_context(cafile=str(readable(reach.ca)) if reach.ca else None)
    except OSError as error:  # ssl.SSLError too
        raise _unusable(f"the CA certificates in {reach.ca}", error) from None
    # As in curl and browsers, and with every version of Python: every certificate in the file is trusted, even an
    # intermediate CA, and a private CA may lack extensions that RFC 5280 requires.
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if reach.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if reach.certificate is not None:
        # Without a password from us, OpenSSL would ask for one at the terminal.
        password = reach.key_password or ""
        try:
            key = None if reach.key is None else readable(reach.key)
            context.load_cert_chain(readable(reach.certificate), key, password)
        except OSError as error:
            if isinstance(error, ssl.SSLError) and _sealed(reach.key or reach.certificate):
                text = f"the key of the client certificate {reach.key or reach.certificate} cannot be opened"
                remedy = "give its password with --tls-key-password-file or --tls-key-password-env"
                raise UsageError(text, remedy=remedy) from None
            raise _unusable(f"the client certificate {reach.certificate}", error) from None
    return context


def _sealed(file: Path) -> bool:
    """Whether a key in the file has a password; OpenSSL's reason for a wrong one differs between its versions."""
    with suppress(OSError):
        return b"ENCRYPTED" in file.read_bytes()
    return False


def _unusable(what: str, error: OSError) -> UsageError:
    if not isinstance(error, ssl.SSLError):
        return UsageError(f"{what} cannot be read: {error.strerror}")
    if error.reason == "KEY_VALUES_MISMATCH":
        return UsageError(f"{what} and the key do not belong together", remedy="give the key of the first certificate")
    return UsageError(f"{what} cannot be used", remedy="write certificates and keys in PEM")


# --- TCP, and the proxy -----------------------------------------------------------------------------------


def connect(connection: socket.socket, address: Any, deadline: Deadline, where: str) -> None:
    """Connect a socket to an address of ``getaddrinfo``.

    Raises:
        ConnectFailed, DeadlineExceeded: the address cannot be reached.
    """
    try:
        connection.settimeout(deadline.left())
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        connection.close()
        raise _why_not_connected(error, deadline, where) from None


def _why_not_connected(error: OSError, deadline: Deadline, where: str) -> TransportError:
    if isinstance(error, TimeoutError) and error.errno is None:
        return deadline_exceeded(where, deadline, sent=False)
    if isinstance(error, ConnectionRefusedError):
        return connect_failed(where, "refused")
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}:
        return connect_failed(where, "unreachable")
    return connect_failed(where, "failed")


def through_proxy(connection: socket.socket, proxy: Proxy, host: str, port: int, deadline: Deadline) -> None:
    """Have the proxy connect to the server.

    Raises:
        ConnectFailed, DeadlineExceeded, ConnectionLost, MalformedHttp: the proxy does not connect.
    """
    where, server = f"the proxy {place_of(proxy.host, proxy.port)}", place_of(host, port)
    login = (("Proxy-Authorization", basic(proxy.login)),) if proxy.login else ()
    asked = HttpRequest("CONNECT", server, (("Host", server), *login))
    try:
        connection.settimeout(deadline.left())
        connection.sendall(render_request(asked, host, port))
        # Read as a reply to HEAD, which has no body: after the head of a 200, the server's own bytes follow.
        reply = read_reply(SocketSource(connection), deadline, "HEAD", where)
    except TimeoutError:
        raise deadline_exceeded(where, deadline, sent=False) from None
    except TransportError as error:
        error.sent = False
        raise
    except OSError:
        raise ConnectFailed(f"{where} broke off the connection") from None
    if not 200 <= reply.status < 300:
        raise proxy_refusal(where, reply.status, f"connect to {server}")


def proxy_refusal(where: str, status: int, what: str) -> ConnectFailed:
    """The error of an exchange that a proxy refuses."""
    if status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        remedy = "write the proxy as http://user:password@host:port; only basic authentication is supported"
        return ConnectFailed(f"{where} requires a login", remedy=remedy)
    return ConnectFailed(f"{where} does not {what}: HTTP {status}", remedy="give --no-proxy to connect directly")


# --- TLS --------------------------------------------------------------------------------------------------


def handshake(
    connection: socket.socket, reach: Reach, host: str, deadline: Deadline, where: str
) -> tuple[ssl.SSLSocket, TlsSession]:
    """Start TLS on a connection. Return what the server presented.

    Raises:
        ConnectFailed, DeadlineExceeded: the handshake fails, or the server's certificate is refused.
    """
    named = host.rstrip(".")  # a name in TLS has no dot at its end (RFC 6066, 3)
    try:
        named.encode("idna")
    except UnicodeError:  # with a proxy, the name has not been resolved here
        raise connect_failed(where, "no-such-host") from None
    secure = tls_context(reach).wrap_socket(connection, server_hostname=named, do_handshake_on_connect=False)
    try:
        secure.settimeout(deadline.left())
        secure.do_handshake()
    except TimeoutError:
        secure.close()
        raise ConnectFailed(
            f"{where} did not finish the TLS handshake within {deadline.seconds:g} s", remedy=_NOT_TLS[1]
        ) from None
    except OSError as error:
        secure.close()
        raise tls_refusal(error, where, host) from None
    cipher = secure.cipher()
    chain = _chain(secure)
    return secure, TlsSession(secure.version() or "", cipher[0] if cipher else "", chain, not reach.insecure)


def _chain(connection: ssl.SSLSocket) -> tuple[bytes, ...]:
    """The chain that the server sent. Python 3.13 has a method for it; earlier, only the inner object has one."""
    own = connection.getpeercert(binary_form=True) or b""
    public = getattr(connection, "get_unverified_chain", None)
    if public is not None:
        return tuple(public())
    with suppress(AttributeError, TypeError, ValueError):
        below = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
        return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in below)
    return (own,)


_NOT_TLS: Final = (
    "does not speak TLS on this port",
    "write http:// if it speaks plain HTTP, or give the port that speaks TLS",
)
_WANTS_CERTIFICATE: Final = (
    "wants a client certificate",
    "give one that it trusts with --tls-cert FILE, with its chain, and --tls-key FILE",
)
_TRUST: Final = "give the CA that issued it with --tls-ca FILE; --tls-insecure skips every check"
_UNTRUSTED: Final = "shows a TLS certificate that is not trusted"
_OLD: Final = ("offers no safe version or cipher of TLS", "configure it to offer TLS 1.2 or 1.3")
_OTHER_NAME: Final = "use the name in the certificate, or get a certificate for this name"

# For each X509_V_ERR_* of OpenSSL: the problem with the server's certificate, and the remedy.
_CERTIFICATES: Final[Mapping[int, tuple[str, str]]] = {
    9: ("shows a TLS certificate that is not valid yet", "check the clocks of both computers"),
    10: ("shows a TLS certificate that has expired", "renew it, and check the clock of this computer"),
    18: ("shows a TLS certificate that it signed itself", _TRUST),
    19: ("shows a TLS certificate of a CA that is not trusted", _TRUST),
    20: (
        "shows a TLS certificate of an unknown CA, or leaves out an intermediate certificate",
        f"{_TRUST}; if that is the root, configure the server to send the whole chain",
    ),
    62: ("shows a TLS certificate for another host name", _OTHER_NAME),
    64: ("shows a TLS certificate for another address", _OTHER_NAME),
}

# For each OpenSSL reason: the meaning of the server's alert, or what came instead of TLS. An alert may come after the
# handshake, because TLS 1.3 lets the client send before the server has checked the client's certificate.
_REASONS: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"),
        _NOT_TLS,
    ),
    **dict.fromkeys(("TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_CERTIFICATE_REQUIRED"), _WANTS_CERTIFICATE),
    **dict.fromkeys(
        ("TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
         "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "TLSV1_ALERT_ACCESS_DENIED"),
        ("does not accept the client certificate", "give one from a CA that it trusts, and its chain"),
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("says that the client certificate has expired", "renew it"),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": ("says that the client certificate is revoked", "use another"),
    "TLSV1_UNRECOGNIZED_NAME": ("knows no server of this name", "check the host name in the URL"),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "refused the TLS handshake",
        "it may require a client certificate (--tls-cert, --tls-key), or an unsafe version or cipher",
    ),
    **dict.fromkeys(
        ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "DH_KEY_TOO_SMALL",
         "EE_KEY_TOO_SMALL", "UNSAFE_LEGACY_RENEGOTIATION_DISABLED"),
        _OLD,
    ),
}  # fmt: skip


def tls_refusal(error: OSError, where: str, host: str, *, sent: bool = False) -> TransportError:
    """The error of an exchange that TLS ends, during the handshake or (``sent``) after the request has left."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what, remedy = _CERTIFICATES.get(error.verify_code, (f"{_UNTRUSTED}: {error.verify_message}", _TRUST))
        return ConnectFailed(
            f"{where} {what} than {host}" if remedy is _OTHER_NAME else f"{where} {what}", remedy=remedy
        )
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if reason is not None and reason in _REASONS:
        what, remedy = _REASONS[reason]
        return ConnectFailed(f"{where} {what}", remedy=remedy)
    if sent:
        return ConnectionLost(f"{where} ended TLS without a whole reply: {_plain(reason)}", sent=True)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return ConnectFailed(f"{where} broke the connection off during the TLS handshake", remedy=_NOT_TLS[1])
    return ConnectFailed(f"{where} failed in TLS: {_plain(reason)}", remedy="openssl s_client -connect shows more")


def _plain(reason: str | None) -> str:
    return (reason or "unknown").lower().replace("_", " ")


class TlsSource(SocketSource):
    """The bytes of a TLS connection. An alert instead of a reply becomes an error with the alert's meaning."""

    def __init__(self, connection: socket.socket, where: str, host: str) -> None:
        super().__init__(connection)
        self._where, self._host = where, host

    def receive(self, count: int, deadline: Deadline) -> bytes:
        try:
            return super().receive(count, deadline)
        except ssl.SSLError as error:
            raise tls_refusal(error, self._where, self._host, sent=True) from None
