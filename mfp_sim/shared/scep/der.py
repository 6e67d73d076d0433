"""ASN.1: a strict DER writer, and a reader that accepts BER and keeps the received bytes and offset of every value.

Owns only the encoding; other modules own the meaning of elements. The reader accepts indefinite lengths, constructed
strings and unsorted sets, since real peers send them (F-E01, F-E02). Other input raises a `DecodeError` with path,
offset, expected and got. Caps: 1 MiB, depth 32, 10,000 elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, TypeAlias

from mfp_sim.shared.errors import DecodeError

MAX_OCTETS = 1024 * 1024
MAX_DEPTH = 32
MAX_ELEMENTS = 10_000

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING = 0x0C, 0x13, 0x14, 0x16
UTC_TIME, GENERALIZED_TIME, UNIVERSAL_STRING, BMP_STRING = 0x17, 0x18, 0x1C, 0x1E
SEQUENCE, SET = 0x30, 0x31

TAG_NAMES = {
    BOOLEAN: "BOOLEAN",
    INTEGER: "INTEGER",
    BIT_STRING: "BIT STRING",
    OCTET_STRING: "OCTET STRING",
    NULL: "NULL",
    OID: "OBJECT IDENTIFIER",
    UTF8_STRING: "UTF8String",
    PRINTABLE_STRING: "PrintableString",
    T61_STRING: "T61String",
    IA5_STRING: "IA5String",
    UTC_TIME: "UTCTime",
    GENERALIZED_TIME: "GeneralizedTime",
    UNIVERSAL_STRING: "UniversalString",
    BMP_STRING: "BMPString",
    SEQUENCE: "SEQUENCE",
    SET: "SET",
}


def tag_name(tag: int) -> str:
    """The name of a tag byte, such as ``SEQUENCE`` or ``[0]``."""
    if tag in TAG_NAMES:
        return TAG_NAMES[tag]
    if tag & ~0x20 in TAG_NAMES:
        return f"constructed {TAG_NAMES[tag & ~0x20]}"
    if tag & 0xC0 == 0x80:
        return f"[{tag & 0x1F}]"
    return f"tag {tag:02X}"


# --- writer -----------------------------------------------------------------------------------------------


def tlv(tag: int, content: bytes) -> bytes:
    """One element with a definite, shortest length."""
    length = len(content)
    if length < 0x80:
        return b"%c%c%b" % (tag, length, content)
    size = (length.bit_length() + 7) // 8
    return b"%c%c%b%b" % (tag, 0x80 | size, length.to_bytes(size, "big"), content)


def indefinite(tag: int, content: bytes) -> bytes:
    """One constructed BER element of indefinite length; never DER."""
    return bytes((tag, 0x80)) + content + b"\x00\x00"


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of encoded parts."""
    return tlv(SEQUENCE, b"".join(parts))


def set_of(parts: Iterable[bytes], *, sort: bool = True) -> bytes:
    """SET OF; DER sorts the encodings as byte strings, ``sort=False`` keeps the given order."""
    return tlv(SET, b"".join(sorted(parts) if sort else parts))


def integer(number: int) -> bytes:
    """INTEGER in the fewest bytes, two's complement."""
    size = (number + (number < 0)).bit_length() // 8 + 1
    return tlv(INTEGER, number.to_bytes(size, "big", signed=True))


@lru_cache(maxsize=1024)
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        group = [arc & 0x7F]
        while arc := arc >> 7:
            group.append(arc & 0x7F | 0x80)
        out += bytes(reversed(group))
    return tlv(OID, bytes(out))


def octet_string(content: bytes) -> bytes:
    """OCTET STRING, primitive."""
    return tlv(OCTET_STRING, content)


def bit_string(content: bytes, unused: int = 0) -> bytes:
    """BIT STRING of whole bytes; ``unused`` bits (0 to 7) of the last byte do not count."""
    return tlv(BIT_STRING, bytes((unused,)) + content)


def null() -> bytes:
    """NULL."""
    return b"\x05\x00"


def boolean(value: bool) -> bytes:
    """BOOLEAN; TRUE is FF, as DER demands (X.690, 11.1)."""
    return tlv(BOOLEAN, b"\xff" if value else b"\x00")


def printable_string(text: str) -> bytes:
    """PrintableString; characters outside its set are written too, since faults need them.

    Raises:
        UnicodeEncodeError: ``text`` is not ASCII.
    """
    return tlv(PRINTABLE_STRING, text.encode("ascii"))


def utf8_string(text: str) -> bytes:
    """UTF8String."""
    return tlv(UTF8_STRING, text.encode())


def ia5_string(text: str) -> bytes:
    """IA5String, such as a URL or an e-mail address.

    Raises:
        UnicodeEncodeError: ``text`` is not ASCII.
    """
    return tlv(IA5_STRING, text.encode("ascii"))


def time(instant: datetime) -> bytes:
    """UTCTime up to 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5); whole seconds, UTC."""
    moment = instant.astimezone(timezone.utc)
    if 1950 <= moment.year < 2050:
        return tlv(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(moment)


def generalized_time(instant: datetime) -> bytes:
    """GeneralizedTime in whole seconds, UTC, for every year (RFC 5280, 4.1.2.5.2)."""
    moment = instant.astimezone(timezone.utc)
    return tlv(GENERALIZED_TIME, f"{moment.year:04d}{moment:%m%d%H%M%S}Z".encode())


def explicit(number: int, inner: bytes) -> bytes:
    """``[number] EXPLICIT``."""
    return tlv(0xA0 | number, inner)


def implicit(number: int, content: bytes, *, constructed: bool = False) -> bytes:
    """``[number] IMPLICIT`` around content bytes."""
    return tlv((0xA0 if constructed else 0x80) | number, content)


PRINTABLE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")


# --- reader -----------------------------------------------------------------------------------------------


class ReadingWork:
    """Counts the reader's work on one message, so that hostile input cannot keep it busy forever.

    ``elements`` is the number of headers read (at most ``most``), ``depth`` the greatest depth (capped), and ``copied``
    the number of content bytes that were copied. ``ber`` is set if a length was indefinite or not the shortest. A part
    that is known from an earlier message counts as if it was read: the limit does not depend on earlier messages.
    """

    __slots__ = ("ber", "copied", "depth", "elements", "most")

    def __init__(self) -> None:
        self.elements = self.depth = self.copied = 0
        self.most = MAX_ELEMENTS
        self.ber = False

    @property
    def visited(self) -> int:
        """An upper bound on the bytes that were read: at most 6 per header, plus the copied bytes."""
        return 6 * self.elements + self.copied


_Place: TypeAlias = list[Any]
"""The place of the parent, or None, and the name or number in it. Both change when their meaning becomes known."""


class Element:
    """One element as received. ``buffer`` is the whole message; ``start``, ``body`` and ``end`` are offsets in it.

    ``path`` names its place in the message. It is computed on demand: most messages are correct, and reading them has
    to be fast. An element refers to the place of its parent instead of to the parent: without that cycle, a message is
    freed as soon as it is no longer used, and the garbage collector, which would take longer, is not needed.
    """

    __slots__ = (
        "_children",
        "_place",
        "body",
        "body_end",
        "buffer",
        "depth",
        "end",
        "start",
        "tag",
        "work",
    )

    def __init__(
        self,
        buffer: bytes,
        start: int,
        limit: int,
        depth: int,
        place: _Place,
        work: ReadingWork,
    ) -> None:
        work.elements += 1
        if work.elements > work.most:
            raise DecodeError(_path(place), start, f"at most {work.most} elements", "more")
        if depth > work.depth:
            if depth > MAX_DEPTH:
                raise DecodeError(_path(place), start, f"a depth of at most {MAX_DEPTH}", "more")
            work.depth = depth
        if limit - start < 2:
            raise DecodeError(_path(place), start, "tag and length", f"{limit - start} bytes")
        tag, length, body = buffer[start], buffer[start + 1], start + 2
        if tag & 0x1F == 0x1F:
            raise DecodeError(_path(place), start, "a tag number below 31", "a long tag")
        if tag == 0:
            raise DecodeError(_path(place), start, "an element", "tag 00")
        self.buffer = buffer
        self.tag = tag
        self.start = start
        self.depth = depth
        self.work = work
        self._place = place
        self._children: tuple[Element, ...] | None = None
        if length >= 0x80:
            if length == 0x80:
                self._read_indefinite(limit)
                return
            size = length & 0x7F
            if size > 4 or body + size > limit:
                raise DecodeError(
                    _path(place), start + 1, "a length of at most 4 bytes within the message", f"{size} bytes"
                )
            length = int.from_bytes(buffer[body : body + size], "big")
            if length < 0x80 or not buffer[body]:
                work.ber = True
            body += size
        self.body = body
        self.body_end = self.end = end = body + length
        if end > limit:
            raise DecodeError(_path(place), start, f"{length} bytes of content", f"{limit - body} bytes")

    def _read_indefinite(self, limit: int) -> None:
        """A BER element of indefinite length: its children run up to the end-of-contents bytes."""
        if not self.tag & 0x20:
            wanted = "a definite length for a primitive element"
            raise DecodeError(self.path, self.start + 1, wanted, "an indefinite one")
        self.work.ber = True
        self.body = self.body_end = self.end = position = self.start + 2
        children: list[Element] = []
        while self.buffer[position : min(position + 2, limit)] != b"\x00\x00":
            place: _Place = [self._place, len(children)]
            child = Element(self.buffer, position, limit, self.depth + 1, place, self.work)
            children.append(child)
            position = child.end
        self.body_end, self.end = position, position + 2
        self._children = tuple(children)  # already walked: do not walk (and count) them again

    def __repr__(self) -> str:
        return f"<{tag_name(self.tag)} at {self.start}, {self.path or 'the message'}>"

    @property
    def path(self) -> str:
        """The place in the message by names, ``signerInfos[0].sid``; by number where there is no name."""
        return _path(self._place)

    @property
    def indefinite(self) -> bool:
        """Whether its length was indefinite: end-of-contents bytes follow its content."""
        return self.end != self.body_end

    @property
    def raw(self) -> bytes:
        """The element's own bytes, header included, as received."""
        self.work.copied += self.end - self.start
        return self.buffer[self.start : self.end]

    @property
    def content(self) -> bytes:
        """The content bytes as received."""
        self.work.copied += self.body_end - self.body
        return self.buffer[self.body : self.body_end]

    @property
    def constructed(self) -> bool:
        """Whether the tag says that the content consists of elements."""
        return bool(self.tag & 0x20)

    @property
    def first_tag(self) -> int | None:
        """The tag of the first element inside, without reading that element; None if there is no content."""
        return self.buffer[self.body] if self.body < self.body_end else None

    @property
    def children(self) -> tuple[Element, ...]:
        """The elements inside a constructed one."""
        if self._children is None:
            buffer, work, limit, depth, above = self.buffer, self.work, self.body_end, self.depth + 1, self._place
            found: list[Element] = []
            position, number = self.body, 0
            while position < limit:
                found.append(child := Element(buffer, position, limit, depth, [above, number], work))
                position, number = child.end, number + 1
            self._children = tuple(found)
        return self._children

    @property
    def inside(self) -> int:
        """The number of elements inside, at every depth, that were read so far."""
        found = 0
        for child in self._children or ():
            found += 1 + child.inside
        return found

    def each(self) -> Iterator[Element]:
        """The elements inside a constructed one, without keeping them: for long lists."""
        position, number = self.body, 0
        while position < self.body_end:
            child = Element(self.buffer, position, self.body_end, self.depth + 1, [self._place, number], self.work)
            yield child
            position, number = child.end, number + 1

    def fail(self, expected: str, got: str | None = None) -> DecodeError:
        """A `DecodeError` for this place."""
        return DecodeError(self.path, self.start, expected, got or tag_name(self.tag))

    def under(self, path: str) -> Element:
        """The same element, which has the given path from now on."""
        self._place[:] = None, path
        return self

    def expect(self, tag: int, name: str | None = None) -> Element:
        """This element if it has ``tag``.

        Raises:
            DecodeError: the element has another tag.
        """
        if name:
            self.under(name)
        if self.tag != tag:
            raise self.fail(tag_name(tag))
        return self

    def child(self, index: int, name: str, tag: int | None = None) -> Element:
        """The child at ``index``, with the path ``<this>.<name>``; it must have ``tag``, if one is given."""
        if not self.tag & 0x20:
            raise self.fail("a constructed element")
        try:
            found = (self._children or self.children)[index]
        except IndexError:
            wanted = tag_name(tag) if tag else "an element"
            raise DecodeError(_path([self._place, name]), self.body_end, wanted, "the end of its parent") from None
        found._place[1] = name
        if tag is not None and found.tag != tag:
            raise found.fail(tag_name(tag))
        return found

    def to_der(self) -> bytes:
        """The element in DER, as far as its tags allow: shortest definite lengths, joined strings, sorted SETs."""
        if not self.work.ber and not self.constructed:
            return self.raw
        if not self.constructed:
            return tlv(self.tag, self.content)
        if self.tag & 0xC0 == 0 and self.tag & ~0x20 in TAG_NAMES:
            return tlv(self.tag & ~0x20, self.to_octets(self.tag & ~0x20))
        parts = [child.to_der() for child in self.children]
        return tlv(self.tag, b"".join(sorted(parts) if self.tag == SET else parts))

    def as_der(self) -> bytes:
        """The bytes as received, or in DER if the message was BER: for comparing names."""
        return self.to_der() if self.work.ber else self.raw

    def to_integer(self) -> int:
        """The signed value of an INTEGER of up to 1025 bytes."""
        content = self.expect(INTEGER).content
        if not 1 <= len(content) <= 1025:
            raise self.fail("an INTEGER of 1 to 1025 bytes", f"{len(content)} bytes")
        return int.from_bytes(content, "big", signed=True)

    def to_oid(self) -> str:
        """The dotted form of an OBJECT IDENTIFIER."""
        content = self.expect(OID).content
        # Only short identifiers are cached, so that a hostile peer cannot fill the memory.
        dotted = _dotted(content) if len(content) <= 12 else _dotted.__wrapped__(content)
        if dotted is None:
            raise self.fail("a well-formed OBJECT IDENTIFIER", content[:16].hex() or "nothing")
        return dotted

    def to_octets(self, primitive_tag: int = OCTET_STRING) -> bytes:
        """The bytes of a string; the pieces of a constructed string (BER) are joined."""
        if self.tag == primitive_tag:
            return self.content
        if self.tag == primitive_tag | 0x20:
            return b"".join(piece.to_octets() for piece in self.children)
        raise self.fail(tag_name(primitive_tag))

    def to_bits(self) -> bytes:
        """The bytes of a BIT STRING without its count of unused bits."""
        content = self.expect(BIT_STRING).content
        if not content or content[0] > 7:
            raise self.fail("a BIT STRING with a count of unused bits from 0 to 7", content[:1].hex() or "nothing")
        return content[1:]

    def to_text(self) -> str:
        """The text of any string type; undecodable bytes become U+FFFD."""
        encoding = TEXT_ENCODINGS.get(self.tag)
        if encoding is None:
            raise self.fail("a string")
        return self.content.decode(encoding, "replace")

    def to_time(self) -> datetime:
        """The instant of a UTCTime or GeneralizedTime, aware, in UTC."""
        if self.tag not in (UTC_TIME, GENERALIZED_TIME):
            raise self.fail("UTCTime or GeneralizedTime")
        text = self.content.decode("ascii", "replace")
        if self.tag == UTC_TIME:
            text = ("19" if "50" <= text[:2] <= "99" else "20") + text
        instant = _instant(text)
        if instant is None:
            raise self.fail("a time such as 260302070000Z", repr(self.content[:24].decode("ascii", "replace")))
        return instant


TEXT_ENCODINGS = {
    UTF8_STRING: "utf-8",
    PRINTABLE_STRING: "ascii",
    T61_STRING: "latin-1",
    IA5_STRING: "ascii",
    0x12: "ascii",
    0x1A: "ascii",
    UNIVERSAL_STRING: "utf-32-be",
    BMP_STRING: "utf-16-be",
}


def _instant(text: str) -> datetime | None:
    """YYYYMMDDHHMM[SS[.f]] followed by Z or an offset."""
    digits = text[:12] if not text[12:14].isdigit() else text[:14]
    rest = text[len(digits) :]
    if rest[:1] == ".":
        fraction = rest[1:].rstrip("Z")
        rest = rest[1 + len(fraction) :]
        if not (fraction.isascii() and fraction.isdigit()):
            return None
    if not (digits.isascii() and digits.isdigit() and len(digits) in (12, 14)):
        return None
    shift = timedelta()
    if rest != "Z":
        if len(rest) != 5 or rest[0] not in "+-" or not (rest[1:].isascii() and rest[1:].isdigit()):
            return None
        shift = timedelta(hours=int(rest[1:3]), minutes=int(rest[3:5])) * (1 if rest[0] == "+" else -1)
    try:
        parts = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, len(digits), 2))]
        return datetime(*parts, tzinfo=timezone.utc) - shift  # type: ignore[arg-type, misc]
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def _dotted(content: bytes) -> str | None:
    if not content or content[-1] & 0x80 or len(content) > 128:
        return None
    arcs, value = [], 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def read(
    octets: bytes, path: str = "", *, trailing: bool = False, size: int = MAX_OCTETS, elements: int = MAX_ELEMENTS
) -> Element:
    """The single element in `octets`.

    Args:
        `octets`: the message.
        path: the first name in the paths of errors.
        trailing: whether bytes after the element are tolerated; ``Element.end`` is the end of the element.
        size: the largest size of the message in bytes.
        elements: the largest number of elements to read.

    Raises:
        DecodeError: the message is malformed, larger or deeper than the caps, or has trailing bytes.
    """
    if len(octets) > size:
        raise DecodeError(path, 0, f"at most {size} bytes", f"{len(octets)} bytes")
    work = ReadingWork()
    work.most = elements
    element = Element(octets, 0, len(octets), 0, [None, path], work)
    if not trailing and element.end != len(octets):
        raise DecodeError(path, element.end, "the end of the message", f"{len(octets) - element.end} bytes more")
    return element


def _path(place: _Place) -> str:
    """The place in words."""
    above, name = place
    before = "" if above is None else _path(above)
    if isinstance(name, int):
        return f"{before}[{name}]"
    return f"{before}.{name}" if before and name[:1] != "[" else before + name
