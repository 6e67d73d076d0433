"""Batch export and import of ``Settings/Registration Basic Information``: the file, sealed with a password.

The format is our own (the maker's is not public). Bytes, in order:

* 8: ``MFPSIMB1``, which names the format with all its parameters: scrypt with N = 2^14, r = 8, p = 1 and a key of 32
  bytes, AES-256-GCM with a tag of 16 bytes;
* 16: the salt of scrypt;
* 12: the nonce of AES-GCM;
* the rest: the sealed JSON document, under the 36 bytes before it as associated data.

The tag is checked before anything is parsed, and nothing in the file sets a cost. The document has ``format``,
``model``, ``serial``, ``category`` and ``settings``; no challenge password and no private key are in it (A-28).
This module must not know the printer, and applies no settings. Serves MFP-BUNDLE-01, MFP-BUNDLE-02.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings
from mfp_sim.shared.documents import Problems
from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.kinds import Scalar, Words
from mfp_sim.shared.documents.records import document, record_of
from mfp_sim.shared.errors import DocumentError, Refused
from mfp_sim.shared.simtime import Entropy

__all__ = ["CATEGORIES", "CATEGORY", "MAGIC", "Bundle", "check_password", "open_bundle", "seal_bundle"]

CATEGORY = "Settings/Registration Basic Information"
CATEGORIES: Mapping[str, bool] = {
    CATEGORY: True,
    "Paper Type Management Settings": False,
    "Forwarding Settings": False,
    "Box Settings": False,
    "Department ID Management Settings": False,
    "Key Settings": False,
    "Certificate/Certificate Revocation List (CRL) Settings": False,
    "Home Settings": False,
    "Web Access Settings": False,
    "Favorite Settings": False,
    "Address Book": False,
    "Authentication User Management": False,
}
"""The categories that the printer lists for a batch export, and whether the simulator offers each."""

MAX_OCTETS = 256 * 1024
MAGIC = b"MFPSIMB1"
_SALT, _NONCE, _TAG = 16, 12, 16
_HEAD = len(MAGIC) + _SALT + _NONCE


@dataclass(frozen=True)
class Bundle:
    """The content of a bundle. ``auto`` has no challenge password; both SCEP parts are None if the model does not
    export them.
    """

    model: str
    serial: str
    dns: bool
    communication: CommunicationSettings | None = None
    auto: AutoRequestSettings | None = None


@document("the settings", exchanged=True)
@dataclass(frozen=True)
class _Settings:
    dns: bool
    communication: CommunicationSettings | None = None
    auto: AutoRequestSettings | None = None


@document("a bundle", exchanged=True)
@dataclass(frozen=True)
class _Document:
    format: Annotated[int, Scalar(Problems.version, {"const": 1})]
    model: str
    serial: str
    category: Annotated[str, Words(lambda: (CATEGORY,))]
    settings: _Settings


@lru_cache(maxsize=8)
def _key(password: str, salt: bytes) -> bytes:
    """Derive the key, slowly on purpose. The cache helps to open a bundle just sealed, and to repeat a run."""
    return Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(password.encode("ascii"))


def check_password(password: str) -> None:
    """Raise Refused unless it is 1 to 32 printable ASCII characters."""
    if not re.fullmatch(r"[ -~]{1,32}", password):
        raise Refused("bad-bundle-password", "the password of a bundle has to be 1 to 32 printable ASCII characters")


def seal_bundle(bundle: Bundle, password: str, entropy: Entropy) -> bytes:
    """Seal a bundle into the bytes of a file.

    Raises:
        Refused: the password is not 1 to 32 printable ASCII characters.
    """
    check_password(password)
    settings = _Settings(bundle.dns, bundle.communication, _without_challenge(bundle.auto))
    document = record_of(_Document).write(_Document(1, bundle.model, bundle.serial, CATEGORY, settings))
    head = MAGIC + entropy.octets(_SALT) + entropy.octets(_NONCE)
    salt, nonce = head[len(MAGIC) : -_NONCE], head[-_NONCE:]
    return head + AESGCM(_key(password, salt)).encrypt(nonce, json.dumps(document).encode(), head)


def open_bundle(octets: bytes, password: str) -> Bundle:
    """Read a file. Its tag is checked before its content is used.

    Raises:
        Refused: ``bundle-damaged`` (not a bundle, too large or too short), ``bundle-not-opened`` (the password is
            wrong, or the file was changed), ``bundle-invalid`` (sealed correctly, but the content is not a bundle's).
    """
    check_password(password)
    if len(octets) > MAX_OCTETS:
        raise Refused("bundle-damaged", f"the file is larger than {MAX_OCTETS} bytes")
    if octets[: len(MAGIC)] != MAGIC or len(octets) < _HEAD + _TAG:
        raise Refused("bundle-damaged", "the file is not a bundle of settings, or is cut off")
    head, sealed = octets[:_HEAD], octets[_HEAD:]
    salt, nonce = head[len(MAGIC) : -_NONCE], head[-_NONCE:]
    try:
        document = AESGCM(_key(password, salt)).decrypt(nonce, sealed, head)
    except InvalidTag:
        text = "the password is wrong, or the file was changed"
        raise Refused("bundle-not-opened", text, remedy="give the password of the export") from None
    try:
        found = read_json(_Document, json.loads(document), "bundle")
    except (ValueError, RecursionError, DocumentError):
        raise Refused("bundle-invalid", "the bundle does not contain what this printer exports") from None
    settings = found.settings
    auto = _without_challenge(settings.auto)
    return Bundle(found.model, found.serial, settings.dns, settings.communication, auto)


def _without_challenge(auto: AutoRequestSettings | None) -> AutoRequestSettings | None:
    if auto is None or auto.key is None:
        return auto
    return replace(auto, key=replace(auto.key, challenge=None))
