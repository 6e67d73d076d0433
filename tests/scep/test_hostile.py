"""Hostile messages: whatever a message is changed to, the reader gives a value or a typed error, with bounded work.

Each element of each message made by others is lost, doubled, emptied, retagged or given a lying length, each byte is
changed; what is left of the count is more changes of bytes, and several at once by chance. The count of all is
``MFP_SIM_MUTATIONS``, 100,000 unless set: ``MFP_SIM_MUTATIONS=1000000 pytest -n auto tests/scep/test_hostile.py``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vectors import FOLDER, MESSAGES, private_key, vector

from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.envelope import read_envelope
from mfp_sim.shared.scep.http_messages import HttpRequest, read_capabilities, read_scep_query
from mfp_sim.shared.simtime import Entropy

TOTAL = int(os.environ.get("MFP_SIM_MUTATIONS", "100000"))

# What the readers may do with one message of n bytes, summed over all they read of it: twice what a million mutations
# were measured to need. What grows faster than the message fails here, long before it is felt.
ELEMENTS = 0.5  # headers read for each byte
COPIED = 16  # bytes handed out for each byte
VISITED = 6 * ELEMENTS + COPIED


def _message(octets: bytes) -> None:
    message = messages.decode(octets)
    message.describe()
    signer = message.signer()
    if signer is not None:
        assert isinstance(signer.subject_text, str)
        message.verify(signer)


def _certificate(octets: bytes) -> None:
    certificate = Certificate.from_der(octets)
    assert isinstance(certificate.subject_text + certificate.fingerprint(), str)
    assert isinstance((certificate.key_usage, certificate.is_ca, certificate.sans, certificate.common_name), tuple)
    certificate.verify_issued_by(certificate)


def _csr(octets: bytes) -> None:
    request = Csr.from_der(octets)
    assert isinstance((request.subject_text, request.sans, request.challenge), tuple)
    request.verify()


def _crl(octets: bytes) -> None:
    assert isinstance((Crl.from_der(octets).issuer_text, Crl.from_der(octets).number), tuple)


def _bag(octets: bytes) -> None:
    assert isinstance(messages.read_certs_only(octets), tuple)
    assert isinstance(messages.read_crls(octets), tuple)
    messages.read_ca_certificates(octets, None)


# vector, or what is in the envelope of one: what reads it
READERS: dict[str, Callable[[bytes], object]] = {
    **dict.fromkeys(MESSAGES, _message),
    "micromdm/getcacert-reply.der": _certificate,
    "openssl/certificate.der": _certificate,
    "openssl/csr.der": _csr,
    "openssl/crl.der": _crl,
    "openssl/bag.der": _bag,
    "openssl/envelope-ber.der": read_envelope,
    "openssl/envelope-oaep.der": read_envelope,
    "openssl/envelope-password.der": read_envelope,
    "openssl/envelope-key-identifier.der": read_envelope,
    "openssl/signed-ber.der": messages.read_next_ca,
    "openssl/signed-key-identifier.der": messages.read_next_ca,
    "in micromdm/pkcsreq.der": _csr,
    "in micromdm/certrep-success.der": _bag,
    "in strongswan/pkcsreq-aes.der": _csr,
    "in strongswan/renewalreq.der": _csr,
    "in strongswan/certpoll.der": messages.read_issuer_and_subject,
    "in certmonger/pkcsreq-get.txt": _csr,
}


def _octets(name: str) -> bytes:
    if not name.startswith("in "):
        return vector(name)
    name = name[3:]
    key = MESSAGES.get(name) or "certmonger/ca-key.pem"
    octets = vector(name)
    if name.endswith(".txt"):
        octets = read_scep_query(HttpRequest("GET", octets.split()[1].decode())).message or b""
    return messages.open_envelope(messages.decode(octets), private_key(key))


def _elements(octets: bytes) -> Iterator[der.Element]:
    waiting = [der.read(octets, trailing=True)]
    while waiting:
        element = waiting.pop()
        yield element
        if element.constructed:
            waiting.extend(element.children)


def _of_elements(octets: bytes) -> Iterator[bytes]:
    for element in list(_elements(octets)):
        before, raw, after = octets[: element.start], octets[element.start : element.end], octets[element.end :]
        header, content = octets[element.start : element.body], octets[element.body : element.body_end]
        yield before + after
        yield before + raw + raw + after
        yield before + header[:1] + b"\x00" + after
        yield before + header[:1] + b"\x80" + content + b"\x00\x00" + after
        yield before + header[:1] + b"\x84\xff\xff\xff\xff" + content + after
        yield before + der.tlv(raw[0], raw) + after
        for tag in (0x00, 0x02, 0x03, 0x04, 0x06, 0x0C, 0x17, 0x18, 0x1F, 0x24, 0x30, 0x31, 0xA0, 0xA3):
            yield before + bytes((tag,)) + raw[1:] + after


def _of_octets(octets: bytes) -> Iterator[bytes]:
    for change in (lambda old: old ^ 0x01, lambda old: old ^ 0x80, lambda _: 0xFF, lambda _: 0x00):
        for index, old in enumerate(octets):
            yield octets[:index] + bytes((change(old),)) + octets[index + 1 :]


def _by_chance(octets: bytes) -> Iterator[bytes]:
    entropy = Entropy(len(octets))
    while True:
        changed = bytearray(octets)
        for _ in range(entropy.integer(2, 6)):
            changed[entropy.integer(0, len(changed) - 1)] = entropy.integer(0, 255)
        yield bytes(changed[: entropy.integer(1, len(changed))]) if entropy.integer(0, 9) == 0 else bytes(changed)


PER_ELEMENT = 22


def _least(octets: bytes) -> int:
    """The mutations that change every element in every way, and every byte."""
    return PER_ELEMENT * len(list(_elements(octets))) + len(octets)


def _mutations(octets: bytes, count: int) -> Iterator[bytes]:
    for source in (_of_elements, _of_octets, _by_chance):
        for mutated in source(octets):
            if count == 0:
                return
            count -= 1
            yield mutated


LEAST = {name: _least(_octets(name)) for name in READERS}


class Counted(der.ReadingWork):
    """Remembers each count of work that the readers open for one message, however many they open."""

    __slots__ = ()
    all: ClassVar[list[Counted]] = []

    def __init__(self) -> None:
        super().__init__()
        self.all.append(self)


@pytest.mark.parametrize("name", READERS)
def test_a_changed_message_is_read_or_refused_with_a_typed_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(der, "ReadingWork", Counted)
    octets, read = _octets(name), READERS[name]
    count = -(-TOTAL * LEAST[name] // sum(LEAST.values()))
    outcomes = {"read": 0, "refused": 0}
    for mutated in _mutations(octets, count):
        Counted.all.clear()
        try:
            read(mutated)
        except MfpSimError:  # anything else fails the test
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
        size = max(len(mutated), 100)
        assert sum(work.elements for work in Counted.all) <= ELEMENTS * size
        assert sum(work.copied for work in Counted.all) <= COPIED * size
        assert sum(work.visited for work in Counted.all) <= VISITED * size
        assert all(work.elements <= der.MAX_ELEMENTS and work.depth <= der.MAX_DEPTH for work in Counted.all)
    assert sum(outcomes.values()) == count
    if sum(LEAST.values()) <= TOTAL:
        assert count >= LEAST[name], "each element and each byte is changed"
    assert outcomes["refused"] > count // 50


def test_the_count_reaches_every_element_and_every_octet() -> None:
    assert sum(LEAST.values()) <= 100_000


@pytest.mark.parametrize("name", READERS)
def test_the_elements_of_a_changed_message_can_be_listed_or_it_is_refused(name: str) -> None:
    octets = _octets(name)
    for mutated in _mutations(octets, 400):
        try:
            found = list(leaves(mutated))
        except MfpSimError:
            continue
        assert found


@pytest.mark.parametrize("name", ["certmonger/pkcsreq-get.txt", "micromdm/pkcsreq-get.txt"])
def test_a_changed_query_is_read_or_refused(name: str) -> None:
    target = (FOLDER / name).read_bytes().split()[1]
    for mutated in _mutations_of_text(target, 4000):
        try:
            query = read_scep_query(HttpRequest("GET", mutated.decode("latin-1")))
        except MfpSimError:
            continue
        assert query.message is None or isinstance(query.message, bytes)


def test_changed_capabilities_are_read() -> None:
    text = vector("micromdm/getcacaps-reply.txt")
    for mutated in _mutations_of_text(text, 2000):
        assert isinstance(read_capabilities(mutated).keywords, tuple)


def _mutations_of_text(text: bytes, count: int) -> Iterator[bytes]:
    for number, mutated in enumerate(_by_chance(text)):
        if number == count:
            return
        yield mutated


@pytest.mark.parametrize(
    ("what", "octets", "expected"),
    [
        ("depth", b"\x30\x80" * 5000, "a depth of at most"),
        ("indefinite nesting", b"\x24\x80" * 100_000, "a depth of at most"),
        ("count", der.tlv(0x30, b"\x05\x00" * 20_000), "at most 10000 elements"),
        ("size", b"\x30\x84\x00\x20\x00\x00" + bytes(2 * 1024 * 1024), "at most 1048576 bytes"),
        ("a lying length", b"\x30\x84\x7f\xff\xff\xff\x00", "bytes of content"),
        ("a length of nine bytes", b"\x30\x89" + bytes(9), "a length of at most 4 bytes"),
    ],
)
def test_the_caps(what: str, octets: bytes, expected: str) -> None:
    with pytest.raises(MfpSimError, match=expected):
        list(_elements(octets))
    with pytest.raises(MfpSimError):
        messages.decode(octets)
