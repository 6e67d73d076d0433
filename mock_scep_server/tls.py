"""TLS in front of the mock: the certificate that its socket host shows, and the handshake on one connection.

Owns the kinds of TLS certificate, and how a handshake ends and a TLS connection is closed. Knows nothing of SCEP, which
needs no TLS: its messages are the same over both, and who is the TLS server says nothing about who is the CA. Serves
SCEP-4.1-21 (``untrusted``), SCEP-7.10-02 (``other-pki``) and F-T16 (client certificates); RFC 8894, 7.10.
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
"""How long a client may take from the connection to the end of the handshake."""

_WEB_PKI = "Mock web PKI, not the SCEP CA (tests only)"
_LIFETIME = timedelta(days=365)
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - what is bound to all addresses has no name of its own
_HOST_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")
_GOODBYE_SECONDS = 1.0


@dataclass(frozen=True)
class TlsEndpoint:
    """What a TLS server shows. ``anchor`` is what a client has to trust for it; None where nothing would help."""

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
    """A TLS server for this machine, with a key of its own.

    Args:
        kind: ``trusted``: the certificate is from the SCEP CA itself. ``untrusted``: it is signed by itself, and no
            client can know it. ``other-pki``: it is from a CA that clients can be told to trust, and that has nothing
            to do with the SCEP CA.
        ca: the SCEP CA.
        clock: decides validity; clients look at the real time.
        names: host names and addresses besides those of loopback, for the subjectAltName.
        clients: a file in PEM with the root CAs that clients need a certificate of, with its whole chain; None where
            no client is asked for one.

    Raises:
        UsageError: a name that is no host name and no address, or a file that has no certificates.
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
    """Those of loopback and the given ones, each once."""
    found = dict.fromkeys(_LOCAL)
    for name in names:
        if name in _ANY_ADDRESS:
            continue
        try:
            found[str(ip_address(name.partition("%")[0]))] = None
        except ValueError:
            if not _HOST_NAME.fullmatch(name):
                raise UsageError(
                    f"{name!r} is no name for a TLS certificate", remedy="give a host name or an IP address"
                ) from None
            found[name] = None
    return tuple(found)


def _context(certificate: Certificate, key: PrivateKey, entropy: Entropy, clients: Path | None) -> ssl.SSLContext:
    """A server with this certificate: TLS 1.2 and 1.3, HTTP/1.1, no sessions that outlive a connection.

    ssl reads keys from files only: for a moment there is one that only we can read, encrypted with a password that
    nobody keeps.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = _Accepted
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(clients)
        except OSError as error:  # ssl.SSLError too
            text = f"the CAs of clients in {clients} cannot be used: {error.strerror}"
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
    """A connection that somebody made. ssl asks for its peer to learn whether it is connected, and loses a socket that
    the client has reset meanwhile; the handshake finds that out just as well."""

    def getpeername(self) -> object:
        try:
            return super().getpeername()
        except OSError:
            return None


NO_ROOM: Final = bytes.fromhex("15 03 03 0002 02 50")
"""A fatal alert internal_error as a record, for a client that there is no room for. RFC 8446, 5.1 and 6.2."""


@dataclass(frozen=True)
class Handshake:
    """How a handshake ended: ``failure`` says why it did not succeed, else it is None; ``version`` as in TLSv1.3.
    ``said``: an alert has told the client why."""

    client: str
    version: str | None = None
    failure: str | None = None
    spoke_http: bool = False
    said: bool = False


_CLIENTS: Final = {
    18: "it is signed by itself",
    19: "it is of a CA that is not known",
    20: "it is of a CA that is not known, or came without its chain",
}
"""By X509_V_ERR_* of OpenSSL, what is wrong with a client's certificate."""


def shake_hands(connection: ssl.SSLSocket, client: str) -> Handshake:
    """The handshake, within :data:`HANDSHAKE_SECONDS`; whatever the client does, it raises nothing."""
    connection.settimeout(HANDSHAKE_SECONDS)
    try:
        connection.do_handshake()
    except TimeoutError:
        return Handshake(client, failure=f"not done within {HANDSHAKE_SECONDS:g} s")
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
        return Handshake(client, failure="the client broke off")
    except ssl.SSLCertVerificationError as error:
        why = _CLIENTS.get(error.verify_code, error.verify_message)
        return Handshake(client, failure=f"the client's certificate is not accepted: {why}", said=True)
    except ssl.SSLError as error:
        if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            return Handshake(client, failure="the client shows no certificate", said=True)
        spoke_http = error.reason in ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST")
        return Handshake(client, failure=_reason(error), spoke_http=spoke_http)
    except OSError as error:
        return Handshake(client, failure=(error.strerror or str(error)).lower())
    return Handshake(client, version=connection.version())


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason in words; an alert is what the client says of our certificate or of what we offered."""
    words = (error.reason or "unknown").lower().replace("_", " ")
    protocol, alert, said = words.partition(" alert ")
    if alert and protocol.startswith(("ssl", "tls")):
        return f"the client says {said}"
    return "the client spoke plain HTTP" if words in ("http request", "https proxy request") else words


def say_goodbye(connection: ssl.SSLSocket) -> None:
    """Send close_notify, so that the client knows the end for one (RFC 8446, 6.1). The client's own is not waited for:
    at the second try only, where there was no room for ours."""
    for seconds in (0.0, _GOODBYE_SECONDS):
        connection.settimeout(seconds)
        try:
            connection.unwrap()
        except ssl.SSLWantWriteError:
            continue
        except (OSError, ValueError):
            pass  # the usual one is SSLWantReadError: ours is out, the client's is not there yet
        return


def shut_down(connection: socket.socket, how: int) -> None:
    """Shut the TCP connection down, whatever is spoken on it; SSLSocket's own method would forget TLS first."""
    with suppress(OSError):
        socket.socket.shutdown(connection, how)
