"""A CA: its certificate and key, its RA if there is one, and issuing. Decides nothing about requests.

Its names say that it is a mock. A certificate gets the subject and the key of the CSR, and the extensions that
`grants.py` allows. Everything uses the injected clock. RFC 8894, 2.1.2; RFC 5280.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate, Identity
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.simtime import Clock, Entropy, KeySource
from mock_scep_server.grants import Grant
from mock_scep_server.rows import COUNT, read_row
from mock_scep_server.store import MemoryStore, Store

__all__ = ["BACKDATED", "KEY_KINDS", "CertificateAuthority", "Extensions", "IssuingStyle", "SerialNumbers", "Template"]

BACKDATED = timedelta(minutes=10)
"""How far notBefore is in the past, so that a client with a slightly slow clock accepts the certificate."""
NEWEST = 10_000
KEY_KINDS = ("rsa-2048", "rsa-4096", "ec-256", "ec-384")

Extensions = Sequence[tuple[str, bool, bytes]]


@dataclass(frozen=True)
class Template:
    """A certificate before it is signed. `extensions` are (OID, critical, DER value)."""

    serial: int
    issuer: Identity
    subject: bytes
    spki: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    extensions: tuple[tuple[str, bool, bytes], ...]


@dataclass(frozen=True)
class IssuingStyle:
    """How a product shapes issued certificates. Empty values: what fits the key, or what the CSR asks for."""

    key_usage: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    basic_constraints: bool = True
    backdated: timedelta = BACKDATED

    def extensions(self, grant: Grant) -> tuple[tuple[str, bool, bytes], ...]:
        """The extensions that the CSR or the product decides."""
        granted = [e for e in grant.extensions if not (self.purposes and e[0] == v.EXTENDED_KEY_USAGE)]
        if self.key_usage:
            granted[0] = x509.key_usage_extension(*self.key_usage)
        if self.purposes:
            granted.insert(1, x509.extended_key_usage_extension(*self.purposes))
        constraints = [x509.basic_constraints_extension(False)] if self.basic_constraints else []
        return (*constraints, *granted)


class SerialNumbers:
    """Positive unique serial numbers of at most 20 bytes; thread-safe (RFC 5280, 4.1.2.2).

    `rule` is `random`, with 16 bytes, or `sequential`, from 1, as in small CAs. Only the newest random numbers are
    remembered: only a stuck source of chance repeats one.
    """

    def __init__(
        self, entropy: Entropy, rule: Literal["random", "sequential"] = "random", store: Store | None = None
    ) -> None:
        self._entropy, self._rule, self._store = entropy, rule, store or MemoryStore()
        self._lock = threading.Lock()
        self._count = int(sum(self._store.rows("serials", lambda _, row: read_row(row, count=COUNT)["count"])))
        self._newest: OrderedDict[int, None] = OrderedDict()

    def next(self) -> int:
        """Return an unused serial number."""
        with self._lock:
            count = self._count = self._count + 1
            self._store.put("serials", "", lambda: {"count": count})
            if self._rule == "sequential":
                return self._count
            while True:
                serial = int.from_bytes(self._entropy.octets(16), "big") >> 1 | 1 << 120
                if serial not in self._newest:
                    self._newest[serial] = None
                    if len(self._newest) > NEWEST:
                        self._newest.popitem(last=False)
                    return serial


class CertificateAuthority:
    """A root CA that issues end-entity certificates, with or without an RA.

    It has three identities: `issuer` signs certificates and CRLs, `signer` signs replies, and requests are enveloped to
    `recipient`. Without an RA they are the same.

    Args:
        clock: determines validity.
        entropy: the source of serial numbers without `serials`.
        keys: the source of the key pairs of CA and RA.
        name: the common name; it should show that this is a mock.
        ra: `none` (the CA does everything), `single` (one RA certificate), or `split` (RA-sign and RA-encrypt, as
            NDES).
        validity: of issued certificates, limited by that of the issuer.
        lifetime: of the CA certificate, from `begins`.
        key: kind of the CA's key, from `KEY_KINDS`; RA keys are always RSA.
        serials: serial numbers shared by the CAs of one server.
        begins: when the CA's validity begins; default: now.
        slug: names the CA in the URLs of its CRL and certificate.
        shape: the form of issued certificates.
        own: the existing identity that issues; None: a new key and a self-signed certificate.
        ra_identities: the existing identities that sign replies and decrypt requests.
    """

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        keys: KeySource,
        *,
        name: str = "Mock SCEP CA (tests only)",
        ra: Literal["none", "single", "split"] = "none",
        validity: timedelta = timedelta(days=365),
        lifetime: timedelta = timedelta(days=3650),
        key: str = "rsa-2048",
        key_usage: Sequence[str] | None = None,
        serials: SerialNumbers | None = None,
        begins: datetime | None = None,
        slug: str = "ca",
        shape: IssuingStyle | None = None,
        own: Identity | None = None,
        ra_identities: tuple[Identity, Identity] | None = None,
    ) -> None:
        self._clock, self._keys, self._validity, self.slug = clock, keys, validity, slug
        self._common_name, self._ra = name, ra
        self._shape = shape or IssuingStyle()
        self._serials = serials or SerialNumbers(entropy.fork("serials"))
        self._published: tuple[Certificate, ...] | None = None
        self.url: str | None = None
        """The URL at which the mock serves CRL and CA certificate; None omits both extensions."""
        self.issuer = own or self._root(name, key, key_usage, clock.now() if begins is None else begins, lifetime)
        self.signer = self.recipient = self.issuer
        if ra_identities is None:
            self.replace_ra(begins=self.issuer.certificate.not_before)
        else:
            self.signer, self.recipient = ra_identities

    def _root(
        self, name: str, key: str, key_usage: Sequence[str] | None, start: datetime, lifetime: timedelta
    ) -> Identity:
        """Make a new key and a self-signed certificate."""
        kind, _, bits = key.partition("-")
        pair: PrivateKey = self._keys.rsa(int(bits)) if kind == "rsa" else self._keys.ec(int(bits))
        usage = key_usage or ("digitalSignature", *(["keyEncipherment"] * (kind == "rsa")), "keyCertSign", "cRLSign")
        subject = x509.name(("O", "mfp-sim"), ("CN", name))
        spki = x509.spki_of(pair)
        return Identity(
            x509.issue(
                serial=self._serials.next(),
                issuer=subject,
                subject=subject,
                spki=spki,
                not_before=start - BACKDATED,
                not_after=start + lifetime,
                extensions=[
                    x509.basic_constraints_extension(True),
                    x509.key_usage_extension(*usage),
                    (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(x509.key_identifier(spki))),
                ],
                signing_key=pair,
            ),
            pair,
        )

    def replace_ra(self, begins: datetime | None = None) -> bool:
        """Give the RA new keys and certificates with the same names; the CA does not change.

        Envelopes to the old certificate can no longer be decrypted.

        Args:
            begins: the start of their validity; default: now.

        Returns:
            Whether there is an RA.
        """
        start = self._clock.now() - BACKDATED if begins is None else begins
        if self._ra == "single":
            both = ("digitalSignature", "keyEncipherment")
            self.signer = self.recipient = self._registration_authority(start, "RA", *both)
        elif self._ra == "split":
            self.signer = self._registration_authority(start, "RA sign", "digitalSignature")
            self.recipient = self._registration_authority(start, "RA encrypt", "keyEncipherment")
        return self._ra != "none"

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates that GetCACert serves: the CA's, and the RA's if there are any."""
        if self._published is not None:
            return self._published
        found = (self.issuer.certificate, self.signer.certificate, self.recipient.certificate)
        return tuple({certificate.der: certificate for certificate in found}.values())

    def altered(
        self,
        *,
        issuer: Identity | None = None,
        signer: Identity | None = None,
        recipient: Identity | None = None,
        published: Sequence[Certificate] | None = None,
    ) -> CertificateAuthority:
        """A copy of the CA with other identities or other certificates in GetCACert, for faults.

        A CA without an RA uses the new `issuer` for everything.
        """
        other = copy.copy(self)
        if issuer is not None:
            other.issuer = issuer
            other.signer = issuer if self.signer is self.issuer else self.signer
            other.recipient = issuer if self.recipient is self.issuer else self.recipient
        other.signer, other.recipient = signer or other.signer, recipient or other.recipient
        other._published = other._published if published is None else tuple(published)
        return other

    @property
    def decrypts_with(self) -> RSAPrivateKey | None:
        """The key that decrypts envelopes; None if it is elliptic, since clients cannot envelope to it (F-A12)."""
        return self.recipient.key if isinstance(self.recipient.key, RSAPrivateKey) else None

    def _registration_authority(self, start: datetime, suffix: str, *usage: str) -> Identity:
        key = self._keys.rsa(2048)
        subject = x509.name(("O", "mfp-sim"), ("CN", f"{self._common_name} {suffix}"))
        extensions = [x509.basic_constraints_extension(False), x509.key_usage_extension(*usage)]
        template = Template(
            serial=self._serials.next(),
            issuer=self.issuer,
            subject=subject,
            spki=x509.spki_of(key),
            not_before=max(start, self.issuer.certificate.not_before),
            not_after=self.issuer.certificate.not_after,
            extensions=tuple(extensions),
        )
        return Identity(self.sign(template), key)

    def template(self, csr: Csr, granted: Grant) -> Template:
        """The certificate for this CSR: its subject and key, the granted extensions, and the URL of the CRL."""
        issuer, now = self.issuer.certificate, self._clock.now()
        return Template(
            serial=self._serials.next(),
            issuer=self.issuer,
            subject=csr.subject,
            spki=csr.spki,
            not_before=max(now - self._shape.backdated, issuer.not_before),
            not_after=min(max(now, issuer.not_before) + self._validity, issuer.not_after),
            extensions=(*self._shape.extensions(granted), *self._pointers()),
        )

    def _pointers(self) -> Extensions:
        """CRL distribution point and AIA, so that clients do not need GetCRL (SCEP-3.3.4-03)."""
        if self.url is None:
            return ()
        crl, certificate = (
            der.implicit(6, f"{self.url}/{self.slug}.{ending}".encode("ascii", "replace")) for ending in ("crl", "cer")
        )
        point = der.sequence(der.explicit(0, der.implicit(0, crl, constructed=True)))
        return (
            (v.CRL_DISTRIBUTION_POINTS, False, der.sequence(point)),
            (v.AUTHORITY_INFORMATION_ACCESS, False, der.sequence(der.sequence(der.oid(v.CA_ISSUERS), certificate))),
        )

    def sign(self, template: Template, digest: str = "sha256") -> Certificate:
        """Sign the certificate, adding the key identifiers of subject and issuer if the template has none."""
        issuer = template.issuer.certificate
        authority = der.sequence(der.implicit(0, _key_identifier_of(issuer)))
        identifiers = [
            (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(x509.key_identifier(template.spki))),
            (v.AUTHORITY_KEY_IDENTIFIER, False, authority),
        ]
        own = {oid for oid, _, _ in template.extensions}
        return x509.issue(
            serial=template.serial,
            issuer=issuer.subject,
            subject=template.subject,
            spki=template.spki,
            not_before=template.not_before,
            not_after=template.not_after,
            extensions=[*template.extensions, *(entry for entry in identifiers if entry[0] not in own)],
            signing_key=template.issuer.key,
            digest=digest,
        )


def _key_identifier_of(issuer: Certificate) -> bytes:
    """The authority key identifier, as in the issuer's own certificate (RFC 5280, 4.2.1.1)."""
    own = issuer.extensions.get(v.SUBJECT_KEY_IDENTIFIER)
    return x509.key_identifier(issuer.spki) if own is None else der.read(own.value).content
