"""TLS in front of the mock: the certificate of its socket host, and the handshake on one connection.

Owns the kinds of TLS certificates, and how a handshake ends and a TLS connection is closed. Knows nothing about SCEP,
which does not need TLS: its messages are the same with and without it, and the identity of the TLS server says nothing
about that of the CA. Serves SCEP-4.1-21 (`untrusted`), SCEP-7.10-02 (`other-pki`) and F-T16 (client certificates); RFC
8894, 7.10.
"""

from __future__ import annotations

import re
import socket
import ssl
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, get_args

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import readable
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import Clock, Entropy, KeySource
from mock_scep_server.ca import BACKDATED, CertificateAuthority, SerialNumbers, Template

__all__ = [
    "HANDSHAKE_SECONDS",
    "KINDS",
    "NO_ROOM",
    "Handshake",
    "TlsEndpoint",
    "TlsKind",
    "make_endpoint",
    "say_goodbye",
    "shake_hands",
    "shut_down",
]

TlsKind = Literal["trusted", "untrusted", "other-pki"]
KINDS: Final[tuple[TlsKind, ...]] = get_args(TlsKind)
HANDSHAKE_SECONDS: Final = 10.0
"""The time limit from the connection to the end of the handshake."""

_WEB_PKI = "Mock web PKI, not the SCEP CA (tests only)"
_LIFETIME = timedelta(days=365)
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - a wildcard address is not a name
_HOST_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")
_GOODBYE_SECONDS = 1.0


@dataclass(frozen=True)
class TlsEndpoint:
    """The certificate of a TLS server. `anchor` is the CA that a client has to trust; None if there is no such CA."""

    certificate: Certificate
    anchor: Certificate | None
    context: ssl.SSLContext = field(repr=False, compare=False)


def make_endpoint(
    kind: TlsKind,
    ca: CertificateAuthority,
    *,
    clock: Clock,
    entropy: Entropy,
    keys: KeySource,
    names: Iterable[str] = (),
    clients: Path | None = None,
) -> TlsEndpoint:
    """Make a TLS server for this computer, with its own key.

    Args:
        kind: `trusted`: the SCEP CA itself issues the certificate. `untrusted`: it is self-signed, and no client can
            know it. `other-pki`: another CA issues it, which clients can trust and which is unrelated to the SCEP CA.
        ca: the SCEP CA.
        clock: determines validity; clients use the real time.
        names: host names and addresses for the subjectAltName, in addition to those of loopback.
        clients: a PEM file with the root CAs of client certificates, which clients have to send with the whole chain;
            None: clients need no certificate.

    Raises:
        UsageError: a name is neither a host name nor an address, or the file has no certificates.
    """
    key, subject = keys.rsa(2048), x509.name(("O", "mfp-sim"), ("CN", "Mock TLS server (tests only)"))
    serial, start = SerialNumbers(entropy.fork("tls serials")).next(), clock.now() - BACKDATED
    about = (
        x509.basic_constraints_extension(False),
        x509.extended_key_usage_extension(v.SERVER_AUTH),
        x509.subject_alt_name_extension(_alternative_names(names)),
    )
    if kind == "untrusted":
        alone = x509.self_signed(
            key, subject=subject, serial=serial, not_before=start, not_after=start + _LIFETIME, extensions=about
        )
        return TlsEndpoint(alone, None, _context(alone, key, entropy, clients))
    if kind == "other-pki":
        ca = CertificateAuthority(clock, entropy.fork("web pki"), keys, name=_WEB_PKI)
    anchor = ca.issuer.certificate
    certificate = ca.sign(
        Template(
            serial=serial,
            issuer=ca.issuer,
            subject=subject,
            spki=x509.spki_of(key),
            not_before=max(start, anchor.not_before),
            not_after=min(start + _LIFETIME, anchor.not_after),
            extensions=(x509.key_usage_extension("digitalSignature", "keyEncipherment"), *about),
        )
    )
    return TlsEndpoint(certificate, anchor, _context(certificate, key, entropy, clients))


def _alternative_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names of loopback and the given names, without duplicates."""
    found = dict.fromkeys(_LOCAL)
    for name in names:
        if name in _ANY_ADDRESS:
            continue
        try:
            found[str(ip_address(name.partition("%")[0]))] = None
        except ValueError:
            if not _HOST_NAME.fullmatch(name):
                raise UsageError(
                    f"{name!r} is not a valid name for a TLS certificate", remedy="give a host name or an IP address"
                ) from None
            found[name] = None
    return tuple(found)


def _context(certificate: Certificate, key: PrivateKey, entropy: Entropy, clients: Path | None) -> ssl.SSLContext:
    """Make a server context with this certificate: TLS 1.2 and 1.3, HTTP/1.1, no sessions that outlive a connection.

    ssl reads keys only from files: for a moment there is a file that only this user can read, encrypted with a
    temporary password.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = _Accepted
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(readable(clients))
        except OSError as error:  # ssl.SSLError too
            text = f"the client CAs in {clients} cannot be used: {error.strerror}"
            raise UsageError(text, remedy="write their certificates in PEM") from None
    password = entropy.octets(32).hex().encode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    with tempfile.NamedTemporaryFile(prefix="mock-scep-tls-") as file:
        file.write(private + ssl.DER_cert_to_PEM_cert(certificate.der).encode())
        file.flush()
        context.load_cert_chain(file.name, password=password)
    return context


# --- on one connection ------------------------------------------------------------------------------------


class _Accepted(ssl.SSLSocket):
    """An accepted connection. ssl asks for the peer to learn whether it is connected, and would lose a socket that the
    client has reset in the meantime; the handshake detects that just as well."""

    def getpeername(self) -> object:
        try:
            return super().getpeername()
        except OSError:
            return None


NO_ROOM: Final = bytes.fromhex("15 03 03 0002 02 50")
"""A record with the fatal alert internal_error, for a client in excess of the limit. RFC 8446, 5.1 and 6.2."""


@dataclass(frozen=True)
class Handshake:
    """The end of a handshake: `failure` is why it failed, or None; `version` as in TLSv1.3. `said`: an alert has given
    the client the reason."""

    client: str
    version: str | None = None
    failure: str | None = None
    spoke_http: bool = False
    said: bool = False


_CLIENTS: Final = {
    18: "it is self-signed",
    19: "its CA is unknown",
    20: "its CA is unknown, or the chain is missing",
}
"""What is wrong with a client's certificate, by X509_V_ERR_* of OpenSSL."""


def shake_hands(connection: ssl.SSLSocket, client: str) -> Handshake:
    """Do the handshake within `HANDSHAKE_SECONDS`; it never raises, regardless of the client."""
    connection.settimeout(HANDSHAKE_SECONDS)
    try:
        connection.do_handshake()
    except TimeoutError:
        return Handshake(client, failure=f"not finished within {HANDSHAKE_SECONDS:g} s")
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
        return Handshake(client, failure="the client disconnected")
    except ssl.SSLCertVerificationError as error:
        why = _CLIENTS.get(error.verify_code, error.verify_message)
        return Handshake(client, failure=f"the client's certificate is not accepted: {why}", said=True)
    except ssl.SSLError as error:
        if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            return Handshake(client, failure="the client sent no certificate", said=True)
        spoke_http = error.reason in ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST")
        return Handshake(client, failure=_reason(error), spoke_http=spoke_http)
    except OSError as error:
        return Handshake(client, failure=(error.strerror or str(error)).lower())
    return Handshake(client, version=connection.version())


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason in words; an alert is the client's judgement of our certificate or offer."""
    words = (error.reason or "unknown").lower().replace("_", " ")
    protocol, alert, said = words.partition(" alert ")
    if alert and protocol.startswith(("ssl", "tls")):
        return f"the client reports {said}"
    return "the client used plain HTTP" if words in ("http request", "https proxy request") else words


def say_goodbye(connection: ssl.SSLSocket) -> None:
    """Send close_notify, so that the client recognizes the end (RFC 8446, 6.1). The client's own is not awaited, except
    in a second attempt if there was no room for ours."""
    for seconds in (0.0, _GOODBYE_SECONDS):
        connection.settimeout(seconds)
        try:
            connection.unwrap()
        except ssl.SSLWantWriteError:
            continue
        except (OSError, ValueError):
            pass  # usually SSLWantReadError: ours is sent, the client's has not arrived
        return


def shut_down(connection: socket.socket, how: int) -> None:
    """Shut down the TCP connection, with or without TLS; SSLSocket's own method would drop TLS first."""
    with suppress(OSError):
        socket.socket.shutdown(connection, how)
