"""A message as named elements: every leaf with a readable path, its offset and its value as text.

A table of the structures of CMS, PKCS#10 and X.509 gives the names; other elements are numbered. Judges nothing, and
reads any well-formed BER. Of a challenge password, only the length is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.crl import MAX_ELEMENTS, MAX_OCTETS

__all__ = ["ElementValue", "leaves", "structure_of"]

Plaintext = Callable[[bytes], bytes | None]


class ElementValue(NamedTuple):
    """One value: ``path``, ``offset`` in bytes from the start of the enclosing structure, ``text``, and its bytes."""

    path: str
    offset: int
    text: str
    octets: bytes

    def __repr__(self) -> str:
        return f"ElementValue({self.path!r}, {self.offset}, {self.text!r})"  # the bytes may be a secret


# Fields by position: name and structure. "?A0" before a name: the field is optional and has that tag. The structure
# "*X" is a list of X, "by-oid" a list of (OID, value) named by the OID, "in:X" an X inside an OCTET STRING.
_STRUCTURES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ContentInfo": (("contentType", ""), ("content", "content")),
    "SignedData": (
        ("version", ""),
        ("digestAlgorithms", "*Algorithm"),
        ("encapContentInfo", "EncapContentInfo"),
        ("?A0 certificates", "*Certificate"),
        ("?A1 crls", "*Crl"),
        ("signerInfos", "*SignerInfo"),
    ),
    "EncapContentInfo": (("eContentType", ""), ("eContent", "in:ContentInfo")),
    "SignerInfo": (
        ("version", ""),
        ("sid", "IssuerAndSerial"),
        ("digestAlgorithm", "Algorithm"),
        ("?A0 signedAttrs", "by-oid"),
        ("signatureAlgorithm", "Algorithm"),
        ("signature", ""),
        ("?A1 unsignedAttrs", "by-oid"),
    ),
    "IssuerAndSerial": (("issuer", "Name"), ("serialNumber", "")),
    "IssuerAndSubject": (("issuer", "Name"), ("subject", "Name")),
    "Algorithm": (("algorithm", ""), ("parameters", "Any")),
    "EnvelopedData": (
        ("version", ""),
        ("?A0 originatorInfo", "Any"),
        ("recipientInfos", "*RecipientInfo"),
        ("encryptedContentInfo", "EncryptedContentInfo"),
    ),
    "RecipientInfo": (
        ("version", ""),
        ("rid", "IssuerAndSerial"),
        ("keyEncryptionAlgorithm", "Algorithm"),
        ("encryptedKey", ""),
    ),
    "EncryptedContentInfo": (
        ("contentType", ""),
        ("contentEncryptionAlgorithm", "Algorithm"),
        ("encryptedContent", ""),
    ),
    "Certificate": (("tbsCertificate", "TbsCertificate"), ("signatureAlgorithm", "Algorithm"), ("signature", "")),
    "TbsCertificate": (
        ("?A0 version", "Any"),
        ("serialNumber", ""),
        ("signature", "Algorithm"),
        ("issuer", "Name"),
        ("validity", "Validity"),
        ("subject", "Name"),
        ("subjectPublicKeyInfo", "Key"),
        ("?A3 extensions", "extensions"),
    ),
    "Validity": (("notBefore", ""), ("notAfter", "")),
    "Key": (("algorithm", "Algorithm"), ("subjectPublicKey", "")),
    "Csr": (("certificationRequestInfo", "CsrInfo"), ("signatureAlgorithm", "Algorithm"), ("signature", "")),
    "CsrInfo": (("version", ""), ("subject", "Name"), ("subjectPKInfo", "Key"), ("?A0 attributes", "by-oid")),
    "Crl": (("tbsCertList", "TbsCrl"), ("signatureAlgorithm", "Algorithm"), ("signature", "")),
    "TbsCrl": (
        ("?02 version", ""),
        ("signature", "Algorithm"),
        ("issuer", "Name"),
        ("thisUpdate", ""),
        ("?time nextUpdate", ""),
        ("?30 revokedCertificates", "*Revoked"),
        ("?A0 crlExtensions", "extensions"),
    ),
    "Revoked": (("userCertificate", ""), ("revocationDate", ""), ("crlEntryExtensions", "extension-list")),
}
_CONTENTS = {v.SIGNED_DATA: "SignedData", v.ENVELOPED_DATA: "EnvelopedData"}
_ENVELOPED = der.oid(v.ENVELOPED_DATA)[2:]
_TIMES = frozenset({der.UTC_TIME, der.GENERALIZED_TIME})


class _Field(NamedTuple):
    """A row of a structure: a field without ``tags`` is required."""

    tags: frozenset[int] | None
    name: str
    structure: str


def _field(label: str, structure: str) -> _Field:
    tag, _, name = label.rpartition(" ")
    tags = _TIMES if tag == "?time" else frozenset({int(tag[1:], 16)}) if tag else None
    return _Field(tags, name, structure)


_FIELDS = {name: tuple(_field(*row) for row in rows) for name, rows in _STRUCTURES.items()}
_REPEATED = frozenset({"Certificate", "Key", "Name", "Algorithm"})
"""The structures that are the same in many messages: their values are read once."""
_KNOWN_LIMIT, _KNOWN_OCTETS = 2048, 4096
"""The number of these structures in the cache, and the size of the largest one in bytes, so that a peer cannot fill the
memory."""
_KNOWN: dict[tuple[str, int, bytes], tuple[list[ElementValue], int]] = {}
"""The values of a structure at a depth, with paths and offsets within it, and the number of elements that reading it
counts. The same bytes may be too deep in another place."""


def structure_of(outer: der.Element) -> str:
    """The name of the structure that the outermost element seems to be, or ``Any``."""
    fields = outer.children if outer.tag == der.SEQUENCE else ()
    if not fields:
        return "Any"
    if fields[0].tag == der.OID:
        return "ContentInfo"
    if len(fields) == 2 and fields[0].tag == der.SEQUENCE:
        return {der.INTEGER: "IssuerAndSerial", der.SEQUENCE: "IssuerAndSubject"}.get(fields[1].tag, "Any")
    if len(fields) != 3 or fields[2].tag != der.BIT_STRING or fields[0].tag != der.SEQUENCE:
        return "Any"
    inner = fields[0].children
    if any(entry.tag in _TIMES for entry in inner[:5]):
        return "Crl"
    return "Certificate" if len(inner) > 5 else "Csr"


def leaves(octets: bytes, *, plaintext: Plaintext = lambda _: None) -> Iterator[ElementValue]:
    """All values of a message, in order.

    Args:
        `octets`: DER or BER of anything that SCEP carries.
        plaintext: returns the messageData for the bytes of an envelope, or None; its values follow those of the
            envelope, with the path ``messageData``.

    Raises:
        DecodeError: the bytes are not well-formed BER, or exceed the caps.
    """
    outer = der.read(octets, "message", trailing=True, size=MAX_OCTETS, elements=MAX_ELEMENTS)
    structure = structure_of(outer)
    walk = _Walk(plaintext)
    yield from walk.walk(outer, "" if structure == "ContentInfo" else structure[0].lower() + structure[1:], structure)
    if structure == "ContentInfo" and outer.children[0].content == _ENVELOPED:
        yield from walk.data(plaintext(octets))
    if outer.end != len(octets):
        rest = octets[outer.end :]
        yield ElementValue("trailing", outer.end, _octets_text(rest), rest)


class _Walk:
    def __init__(self, plaintext: Plaintext) -> None:
        self._plaintext = plaintext

    def walk(self, element: der.Element, path: str, structure: str) -> Iterator[ElementValue]:
        """The leaves of one element."""
        return (self._repeated if structure in _REPEATED and path else self._read)(element, path, structure)

    def _repeated(self, element: der.Element, path: str, structure: str) -> Iterator[ElementValue]:
        """The leaves of a structure that may be known from another message."""
        start, work = element.start, element.work
        octets = element.buffer[start : element.end]
        before = work.elements - element.inside
        key = structure, element.depth, octets
        known, elements = _KNOWN.get(key, (None, 0))
        if known is not None and before + elements <= work.most:
            work.elements = before + elements
            for within, offset, text, value in known:
                yield ElementValue(path + within, start + offset, text, value)
            return
        found = []
        for leaf in self._read(element, path, structure):
            found.append(ElementValue(leaf.path[len(path) :], leaf.offset - start, leaf.text, leaf.octets))
            yield leaf
        if len(octets) <= _KNOWN_OCTETS:
            if len(_KNOWN) >= _KNOWN_LIMIT:
                _KNOWN.clear()
            _KNOWN[key] = found, work.elements - before

    def _read(self, element: der.Element, path: str, structure: str) -> Iterator[ElementValue]:
        if element.indefinite:
            yield ElementValue(_join(path, "encoding"), element.start, "indefinite length", b"")
        if element.constructed and element.first_tag is None:
            yield ElementValue(
                path or "message", element.start, f"{der.tag_name(element.tag)}, empty", bytes((element.tag,))
            )
            return
        inside = structure.startswith("in:")
        if structure == "content":
            yield from self._content(element, path)
        elif inside and element.constructed and element.children:
            yield from self._inside(element.children[0] if element.tag == 0xA0 else element, path, structure[3:])
        elif not element.constructed or _is_string(element):
            yield _leaf(element, path)
        elif structure == "Name":
            yield from self._name(element, path)
        elif structure in ("by-oid", "extension-list"):
            yield from self._by_oid(element, path)
        elif structure == "extensions":
            for child in element.children:
                yield from self._by_oid(child, path)
        elif structure.startswith("*"):
            for index, child in enumerate(element.each()):
                yield from self.walk(child, f"{path}[{index}]", structure[1:])
        else:
            yield from self._fields(element, path, _FIELDS.get(structure, ()))

    def _content(self, element: der.Element, path: str) -> Iterator[ElementValue]:
        """The content of a ContentInfo, by the type that precedes it."""
        before = element.buffer[: element.start]
        kind = next((name for oid, name in _CONTENTS.items() if before.endswith(der.oid(oid))), "Any")
        for child in element.children if element.constructed else ():
            yield from self.walk(child, path.removesuffix("content").rstrip("."), kind)
        if not element.constructed:
            yield _leaf(element, path)

    def _fields(self, element: der.Element, path: str, fields: tuple[_Field, ...]) -> Iterator[ElementValue]:
        pending = iter(fields)
        for index, child in enumerate(element.children):
            name, structure = f"[{index}]", "Any"
            for entry in pending:
                if entry.tags is None or child.tag in entry.tags:
                    name, structure = entry.name, entry.structure
                    break
            if name == "sid" and child.tag != der.SEQUENCE:
                structure = "Any"
            place = path + name if name[0] == "[" else _join(path, name)
            if child.constructed:
                yield from self.walk(child, place, structure)
            else:
                yield _leaf(child, place)

    def _inside(self, element: der.Element, path: str, structure: str) -> Iterator[ElementValue]:
        """A structure inside an OCTET STRING, if the OCTET STRING holds one."""
        try:
            octets = element.to_octets()
            inner = der.read(octets, path, trailing=True)
            known = structure_of(inner) == structure
        except DecodeError:
            known = False
        if not known:
            yield _leaf(element, path)
            return
        if element.indefinite:
            yield ElementValue(_join(path, "encoding"), element.start, "indefinite length", b"")
        enveloped = inner.children[0].content == _ENVELOPED
        name = "pkcsPKIEnvelope" if enveloped else path
        yield from self.walk(inner, name, structure)
        if enveloped:
            yield from self.data(self._plaintext(octets))

    def data(self, plain: bytes | None) -> Iterator[ElementValue]:
        """The leaves of messageData, if the envelope was opened."""
        if plain is None:
            return
        try:
            inner = der.read(plain, "messageData", trailing=True)
            yield from self.walk(inner, "messageData", structure_of(inner))
        except DecodeError:
            yield ElementValue("messageData", 0, _octets_text(plain), plain)

    def _name(self, element: der.Element, path: str) -> Iterator[ElementValue]:
        for index, rdn in enumerate(element.children):
            for attribute in rdn.children if rdn.constructed else ():
                pair = attribute.children if attribute.constructed else ()
                if len(pair) == 2 and pair[0].tag == der.OID:
                    yield _leaf(pair[1], f"{path}[{index}].{v.oid_text(pair[0].to_oid())}")
                else:
                    yield ElementValue(f"{path}[{index}]", attribute.start, _octets_text(attribute.raw), attribute.raw)

    def _by_oid(self, element: der.Element, path: str) -> Iterator[ElementValue]:
        for index, entry in enumerate(element.children if element.constructed else ()):
            parts = entry.children if entry.constructed else ()
            if len(parts) < 2 or parts[0].tag != der.OID:
                yield from self.walk(entry, f"{path}[{index}]", "Any")
                continue
            name = v.oid_text(parts[0].to_oid())
            for part in parts[1:]:
                values = part.children if part.tag == der.SET else (part,)
                for number, value in enumerate(values):
                    label = f"{path}.{name}" + (f"[{number}]" if len(values) > 1 else "")
                    yield from self._value(value, label, name)

    def _value(self, value: der.Element, path: str, name: str) -> Iterator[ElementValue]:
        if name == "challengePassword":
            secret = value.raw
            yield ElementValue(
                path, value.start, f"{der.tag_name(value.tag)} of {len(value.content)} bytes, not shown", secret
            )
        elif value.tag == der.BOOLEAN:
            yield _leaf(value, f"{path}.critical")
        elif name.startswith("extensionRequest"):
            yield from self._by_oid(value, path)
        elif name == v.OID_NAMES[v.NDES_RESULT] and value.tag == der.PRINTABLE_STRING:
            leaf = _leaf(value, path)
            yield leaf._replace(text=f"{leaf.text} ({v.hresult_text(value.to_text()[:20])})")
        else:
            yield from self.walk(value, path, "Any")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_string(element: der.Element) -> bool:
    """Whether a constructed element is a string in pieces, and so a single value."""
    return element.tag == der.OCTET_STRING | 0x20 or (
        element.tag == 0xA0 and bool(element.children) and all(c.tag == der.OCTET_STRING for c in element.children)
    )


def _leaf(element: der.Element, path: str) -> ElementValue:
    octets = element.to_octets(element.tag & ~0x20) if element.constructed else element.content
    name = der.tag_name(element.tag)
    return ElementValue(
        path, element.start, f"{name} {_text(element, octets)}".rstrip(), bytes((element.tag,)) + octets
    )


def _text(element: der.Element, octets: bytes) -> str:
    try:
        if element.tag == der.INTEGER:
            number = element.to_integer()
            return str(number) if abs(number) < 2**31 else octets.hex()
        if element.tag == der.OID:
            return v.oid_text(element.to_oid())
        if element.tag in _TIMES:
            return element.to_time().isoformat()
        if element.tag in der.TEXT_ENCODINGS:
            return repr(element.to_text()[:200])
    except DecodeError:
        pass
    return _octets_text(octets) if octets else ""


def _octets_text(octets: bytes) -> str:
    if len(octets) <= 40:
        return octets.hex()
    return f"{len(octets)} bytes, SHA-256 {hashlib.sha256(octets).hexdigest()[:16]}…"
