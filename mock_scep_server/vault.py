"""The keys and certificates of a server's CAs, as they are kept: in a store, encrypted where a passphrase is given.

Also holds the CA that an operator brings. A state belongs to one CA: options that would make another one are refused.
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
    """A CA of one generation: who issues, who signs replies, who opens requests; and when it is which."""

    identities: tuple[Identity, Identity, Identity]
    published: datetime
    current: datetime
    answers_until: datetime | None


def _words(value: object) -> list[str]:
    return list(list_of(TEXT)(value))


@dataclass(frozen=True)
class Vault:
    """``passphrase`` encrypts the private keys that ``store`` keeps (PKCS #8); ``own`` is a CA that is brought."""

    store: Store = field(default_factory=MemoryStore)
    passphrase: str | None = field(default=None, repr=False)
    own: Identity | None = None

    def open(self, shape: Row) -> Mapping[str, KeptAuthority]:
        """The CAs that were kept, by their slugs; none in a new state, which is one of this ``shape`` from now on.

        Raises:
            UsageError: the state is one of another shape, has another CA than the one that is brought, or its keys
                cannot be had with this passphrase.
        """
        if self.own is not None and shape["identifiers"]:
            raise UsageError("a CA of one's own is one CA", remedy="leave identifiers out, or --ca-key")
        for before in self.store.rows("shape", lambda _, row: read_row(row, **_SHAPE)):
            self._compare(before, shape)
            known = dict(self.store.rows("cas", lambda slug, row: (slug, self._read(row))))
            if not known:
                raise UsageError(f"{self.store.where} is damaged: its CAs are gone", remedy=OTHER)
            return known
        brought = None if self.own is None else self.own.certificate.fingerprint()
        row = {**shape, "own": brought, "encrypted": self.passphrase is not None}
        self.store.put("shape", "", lambda: row)
        return {}

    def _compare(self, before: Row, shape: Row) -> None:
        where, remedy = (
            self.store.where,
            "start it with the options of then, or take another --state-dir",
        )
        brought = None if self.own is None else self.own.certificate.fingerprint()
        if brought is not None and brought != before["own"]:
            raise UsageError(f"{where} has another CA than the one of --ca-key", remedy=remedy)
        decided = ("ra", "identifiers", "serials", *(() if before["own"] else ("name", "key")))
        for name in decided:
            if before[name] != shape[name]:
                text = f"{where} has a CA whose {name} is {_said(before[name])}, not {_said(shape[name])}"
                raise UsageError(text, remedy=remedy)
        if before["encrypted"] and self.passphrase is None:
            raise UsageError(f"the keys in {where} are encrypted", remedy="give --state-passphrase-file")
        if not before["encrypted"] and self.passphrase is not None:
            raise UsageError(f"the keys in {where} are not encrypted", remedy="leave the passphrase out")

    def keep(self, generations: Sequence[Generation]) -> None:
        """These are the generations of a CA."""
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
            raise ValueError("identities has not three values")
        issuer, signer, recipient = map(self._opened, said["identities"])
        if signer.certificate == issuer.certificate:  # without an RA they are one
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
            raise UsageError(text, remedy="give the one that the state was begun with") from None
        if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
            raise ValueError("it has a private key that is neither RSA nor elliptic")
        certificate = Certificate.from_der(row["certificate"])
        public, own = certificate.public_key(), key.public_key()
        if type(public) is not type(own) or public.public_numbers() != own.public_numbers():
            raise ValueError("it has a private key that is not the certificate's")
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
