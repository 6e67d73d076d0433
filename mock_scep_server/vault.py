"""Stores the keys and certificates of a server's CAs, encrypted if there is a passphrase.

Also holds the operator's own CA. A state belongs to one CA: options that would make a different one are refused.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate, Identity
from mock_scep_server.authorities import Generation
from mock_scep_server.rows import FLAG, OCTETS, TEXT, TIME, list_of, maybe, read_row, record
from mock_scep_server.store import OTHER, MemoryStore, Row, Store

__all__ = ["Vault"]


@dataclass(frozen=True)
class KeptAuthority:
    """A CA of one generation: the identities that issue, sign replies and decrypt requests, and its dates."""

    identities: tuple[Identity, Identity, Identity]
    published: datetime
    current: datetime
    answers_until: datetime | None


def _words(value: object) -> list[str]:
    return list(list_of(TEXT)(value))


@dataclass(frozen=True)
class Vault:
    """`passphrase` encrypts the private keys in `store` (PKCS #8); `own` is the operator's own CA."""

    store: Store = field(default_factory=MemoryStore)
    passphrase: str | None = field(default=None, repr=False)
    own: Identity | None = None

    def open(self, shape: Row) -> Mapping[str, KeptAuthority]:
        """Read the stored CAs by their slugs; a new state is empty and gets this `shape`.

        Raises:
            UsageError: the state has another shape or another CA than the operator's own, or the passphrase does not
                decrypt its keys.
        """
        if self.own is not None and shape["identifiers"]:
            raise UsageError("with --ca-key there can be only one CA", remedy="omit identifiers or --ca-key")
        for before in self.store.rows("shape", lambda _, row: read_row(row, **_SHAPE)):
            self._compare(before, shape)
            known = dict(self.store.rows("cas", lambda slug, row: (slug, self._read(row))))
            if not known:
                raise UsageError(f"{self.store.where} is damaged: its CAs are missing", remedy=OTHER)
            return known
        brought = None if self.own is None else self.own.certificate.fingerprint()
        row = {**shape, "own": brought, "encrypted": self.passphrase is not None}
        self.store.put("shape", "", lambda: row)
        return {}

    def _compare(self, before: Row, shape: Row) -> None:
        where, remedy = (
            self.store.where,
            "start it with the original options, or use another --state-dir",
        )
        brought = None if self.own is None else self.own.certificate.fingerprint()
        if brought is not None and brought != before["own"]:
            raise UsageError(f"{where} has a different CA from --ca-key", remedy=remedy)
        decided = ("ra", "identifiers", "serials", *(() if before["own"] else ("name", "key")))
        for name in decided:
            if before[name] != shape[name]:
                text = f"{where} has a CA whose {name} is {_said(before[name])}, not {_said(shape[name])}"
                raise UsageError(text, remedy=remedy)
        if before["encrypted"] and self.passphrase is None:
            raise UsageError(f"the keys in {where} are encrypted", remedy="give --state-passphrase-file")
        if not before["encrypted"] and self.passphrase is not None:
            raise UsageError(f"the keys in {where} are not encrypted", remedy="omit the passphrase")

    def keep(self, generations: Sequence[Generation]) -> None:
        """Store the generations of a CA."""
        for generation in generations:
            self.store.put("cas", generation.authority.slug, lambda known=generation: self._row(known))  # type: ignore[misc]

    def _row(self, known: Generation) -> Row:
        authority, until = known.authority, known.answers_until
        return {
            "identities": [self._sealed(one) for one in (authority.issuer, authority.signer, authority.recipient)],
            "published": known.published.isoformat(),
            "current": known.current.isoformat(),
            "answers_until": None if until is None else until.isoformat(),
        }

    def _sealed(self, identity: Identity) -> Row:
        secret = self.passphrase
        how = NoEncryption() if secret is None else BestAvailableEncryption(secret.encode())
        key = identity.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, how)
        return {
            name: base64.b64encode(octets).decode()
            for name, octets in (("certificate", identity.certificate.der), ("key", key))
        }

    def _read(self, row: Row) -> KeptAuthority:
        said = read_row(row, **_CA)
        if len(said["identities"]) != 3:
            raise ValueError("identities does not have three values")
        issuer, signer, recipient = map(self._opened, said["identities"])
        if signer.certificate == issuer.certificate:  # without an RA they are the same
            signer = recipient = issuer
        elif recipient.certificate == signer.certificate:
            recipient = signer
        return KeptAuthority((issuer, signer, recipient), said["published"], said["current"], said["answers_until"])

    def _opened(self, row: Row) -> Identity:
        secret = None if self.passphrase is None else self.passphrase.encode()
        try:
            key: PrivateKey | object = load_der_private_key(row["key"], secret)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            if secret is None:
                raise ValueError("it has a private key that cannot be read") from None
            text = f"the keys in {self.store.where} cannot be decrypted: the passphrase is wrong"
            raise UsageError(text, remedy="use the passphrase with which the state was created") from None
        if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
            raise ValueError("it has a private key that is neither RSA nor EC")
        certificate = Certificate.from_der(row["certificate"])
        public, own = certificate.public_key(), key.public_key()
        if type(public) is not type(own) or public.public_numbers() != own.public_numbers():
            raise ValueError("it has a private key that does not match the certificate")
        return Identity(certificate, key)


_SHAPE = {
    "name": TEXT, "key": TEXT, "ra": TEXT, "identifiers": _words, "serials": TEXT, "own": maybe(TEXT),
    "encrypted": FLAG,
}  # fmt: skip
_CA = {
    "identities": list_of(record(certificate=OCTETS, key=OCTETS)), "published": TIME, "current": TIME,
    "answers_until": maybe(TIME),
}  # fmt: skip


def _said(value: object) -> str:
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
