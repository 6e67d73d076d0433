"""The CA itself: its keys and certificates, an RA pair if asked for, and issuing. Decides nothing about requests.

Its names say that it is a mock. What it grants is a fixed profile; nothing is copied from a CSR but subject, key
and subjectAltName. Everything runs on the injected clock. RFC 8894, 2.1.2; RFC 5280.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.scep import certificate as x509
from mfp_sim.scep import der
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.csr import Csr
from mfp_sim.simtime import Clock, Entropy, KeySource

__all__ = ["CertificateAuthority", "Identity", "Template"]

BACKDATED = timedelta(minutes=10)
"""How far notBefore lies back, so that a client whose clock is a little slow accepts what it gets."""


@dataclass(frozen=True)
class Identity:
    """A certificate and its key pair."""

    certificate: Certificate
    key: RSAPrivateKey = field(repr=False)


@dataclass(frozen=True)
class Template:
    """A certificate before it is signed. ``extensions`` are (OID, critical, DER value)."""

    serial: int
    issuer: Identity
    subject: bytes
    spki: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    extensions: tuple[tuple[str, bool, bytes], ...]


class CertificateAuthority:
    """A root CA that issues end-entity certificates, with or without an RA (one certificate to sign, one to encrypt).

    Args:
        clock: decides validity.
        entropy: gives serial numbers.
        keys: gives the CA's and RA's key pairs.
        name: the common name; it should say that this is a mock.
        ra: ``none`` (the CA does all), or ``split`` (RA-sign and RA-encrypt, as NDES has).
        validity: of issued certificates.
    """

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        keys: KeySource,
        *,
        name: str = "Mock SCEP CA (tests only)",
        ra: Literal["none", "split"] = "none",
        validity: timedelta = timedelta(days=365),
        lifetime: timedelta = timedelta(days=3650),
    ) -> None:
        self._clock, self._entropy, self._validity = clock, entropy.fork("serials"), validity
        self._lock = threading.Lock()
        self._serials: set[int] = set()
        now = clock.now()
        key = keys.rsa(2048)
        subject = x509.name(("O", "mfp-sim"), ("CN", name))
        spki = x509.spki_of(key)
        self.ca = Identity(
            x509.issue(
                serial=self._serial(),
                issuer=subject,
                subject=subject,
                spki=spki,
                not_before=now - BACKDATED,
                not_after=now + lifetime,
                extensions=[
                    x509.basic_constraints_extension(True),
                    x509.key_usage_extension("digitalSignature", "keyEncipherment", "keyCertSign", "cRLSign"),
                    (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(x509.key_identifier(spki))),
                ],
                signing_key=key,
            ),
            key,
        )
        self.signer = self.recipient = self.ca
        if ra == "split":
            self.signer = self._registration_authority(keys, f"{name} RA sign", "digitalSignature")
            self.recipient = self._registration_authority(keys, f"{name} RA encrypt", "keyEncipherment")

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """What GetCACert serves: the CA, and the RA's certificates if there are any."""
        if self.signer is self.ca:
            return (self.ca.certificate,)
        return (self.ca.certificate, self.signer.certificate, self.recipient.certificate)

    def _registration_authority(self, keys: KeySource, name: str, usage: str) -> Identity:
        key = keys.rsa(2048)
        subject = x509.name(("O", "mfp-sim"), ("CN", name))
        template = self._template(subject, x509.spki_of(key), [x509.key_usage_extension(usage)])
        return Identity(self.sign(template), key)

    def template(self, csr: Csr) -> Template:
        """What a certificate for this CSR says: TLS-like key usage, the requested names, nothing else."""
        extensions = [x509.key_usage_extension("digitalSignature", "keyEncipherment")]
        if csr.sans:
            extensions.append(x509.subject_alt_name_extension(csr.sans))
        return self._template(csr.subject, csr.spki, extensions)

    def _template(self, subject: bytes, spki: bytes, extensions: list[tuple[str, bool, bytes]]) -> Template:
        issuer, now = self.ca.certificate, self._clock.now()
        return Template(
            serial=self._serial(),
            issuer=self.ca,
            subject=subject,
            spki=spki,
            not_before=max(now - BACKDATED, issuer.not_before),
            not_after=min(now + self._validity, issuer.not_after),
            extensions=(x509.basic_constraints_extension(False), *extensions),
        )

    def sign(self, template: Template) -> Certificate:
        """The certificate, with the identifiers of its key and of its issuer's."""
        issuer = template.issuer.certificate
        authority = der.sequence(der.implicit(0, x509.key_identifier(issuer.spki)))
        return x509.issue(
            serial=template.serial,
            issuer=issuer.subject,
            subject=template.subject,
            spki=template.spki,
            not_before=template.not_before,
            not_after=template.not_after,
            extensions=[
                *template.extensions,
                (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(x509.key_identifier(template.spki))),
                (v.AUTHORITY_KEY_IDENTIFIER, False, authority),
            ],
            signing_key=template.issuer.key,
        )

    def _serial(self) -> int:
        """A positive serial of 16 octets that was not given before (RFC 5280, 4.1.2.2)."""
        with self._lock:
            while True:
                serial = int.from_bytes(self._entropy.octets(16), "big") >> 1 | 1 << 120
                if serial not in self._serials:
                    self._serials.add(serial)
                    return serial
