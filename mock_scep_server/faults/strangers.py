"""Additional identities that faults need: strangers, look-alikes, re-issued certificates, a next CA.

Makes certificates with the shared codec only; the faults decide how to use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Identity
from mock_scep_server.ca import CertificateAuthority, Extensions
from mock_scep_server.faults.base import Context

__all__ = [
    "CA_USAGE",
    "DAY",
    "Dates",
    "coming",
    "device",
    "expired",
    "issued",
    "look_alike",
    "past",
    "reissued",
    "serial",
    "stranger",
]

DAY = timedelta(days=1)
YEARS = timedelta(days=3650)
CA_USAGE = ("digitalSignature", "keyEncipherment", "keyCertSign", "cRLSign")

Dates = tuple[datetime, datetime]
"""notBefore and notAfter."""


def past(context: Context) -> Dates:
    """A validity that ended yesterday."""
    return context.now - 400 * DAY, context.now - DAY


def serial(context: Context) -> int:
    """Draw a serial number of 16 bytes."""
    return int.from_bytes(context.entropy.octets(16), "big") >> 1 | 1 << 120


def issued(
    context: Context,
    common_name: str,
    *,
    by: Identity | None = None,
    bits: int = 2048,
    ca: bool = False,
    usage: Sequence[str] = ("digitalSignature", "keyEncipherment"),
    dates: Dates | None = None,
    subject: bytes | None = None,
    key: PrivateKey | None = None,
) -> Identity:
    """Make a certificate with a new key pair, issued by `by`, or self-signed without it."""
    key = key or context.keys.rsa(bits)
    subject = x509.name(("O", "mfp-sim"), ("CN", common_name)) if subject is None else subject
    spki = x509.spki_of(key)
    not_before, not_after = dates or (context.now - DAY, context.now + YEARS)
    certificate = x509.issue(
        serial=serial(context),
        issuer=by.certificate.subject if by else subject,
        subject=subject,
        spki=spki,
        not_before=not_before,
        not_after=not_after,
        extensions=[
            x509.basic_constraints_extension(ca),
            x509.key_usage_extension(*usage),
            (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(x509.key_identifier(spki))),
        ],
        signing_key=by.key if by else key,
    )
    return Identity(certificate, key)


def stranger(context: Context, common_name: str = "Unrelated CA", *, bits: int = 2048) -> Identity:
    """An unrelated CA; the same one each time."""
    return context.thing(
        f"stranger {common_name} {bits}", lambda: issued(context, common_name, bits=bits, ca=True, usage=CA_USAGE)
    )


def expired(context: Context, subject: bytes) -> Identity:
    """An expired root CA with this name. All of them have the same key, so that many of them are cheap."""
    return context.thing(
        f"expired {subject.hex()}",
        lambda: issued(
            context,
            "",
            ca=True,
            usage=CA_USAGE,
            dates=past(context),
            subject=subject,
            key=context.thing("expired key", lambda: context.keys.rsa(2048)),
        ),
    )


def device(context: Context) -> Identity:
    """An ordinary device of the same CA."""
    return context.thing("device", lambda: issued(context, "another-device.example", by=context.authority.issuer))


def look_alike(context: Context, authority: CertificateAuthority, *, bits: int = 2048) -> Identity:
    """A CA with exactly the names of `authority` and its own key."""
    subject = authority.issuer.certificate.subject
    return context.thing(
        f"look-alike {subject.hex()} {bits}",
        lambda: issued(context, "", bits=bits, ca=True, usage=CA_USAGE, subject=subject),
    )


def reissued(
    context: Context,
    name: str,
    identity: Identity,
    by: Identity,
    *,
    dates: Dates | None = None,
    extensions: Extensions = (),
    without: Sequence[str] = (),
) -> Identity:
    """Re-issue the certificate of `identity` with the same key, names and serial number.

    `extensions` replaces those of the same kind, `without` omits kinds, and `dates` default to those of the
    certificate.
    """
    certificate = identity.certificate

    def make() -> Identity:
        gone = {*(oid for oid, _, _ in extensions), *without}
        kept = [(oid, e.critical, e.value) for oid, e in certificate.extensions.items() if oid not in gone]
        not_before, not_after = dates or (certificate.not_before, certificate.not_after)
        made = x509.issue(
            serial=certificate.serial,
            issuer=by.certificate.subject,
            subject=certificate.subject,
            spki=certificate.spki,
            not_before=not_before,
            not_after=not_after,
            extensions=[*extensions, *kept],
            signing_key=by.key,
        )
        return replace(identity, certificate=made)

    return context.thing(f"reissued {name} {certificate.fingerprint()}", make)


def coming(context: Context) -> CertificateAuthority:
    """The next CA if no rollover is prepared: the same one each time."""

    def make() -> CertificateAuthority:
        identity = issued(context, "Mock SCEP CA, next (tests only)", ca=True, usage=CA_USAGE)
        return context.authority.altered(issuer=identity, signer=identity, recipient=identity)

    return context.thing("next CA", make)
