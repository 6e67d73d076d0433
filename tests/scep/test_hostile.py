"""Hostile messages: whatever a message is changed to, the reader gives a value or a typed error, with bounded work.

The count of mutations is ``MFP_SIM_MUTATIONS`` (100,000 unless set), spread over the messages made by others by their
length. Each octet is changed in ways that hurt, each element is lost, doubled, emptied, retagged or given a lying length;
what is left of the count is chance: several changes at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vectors import FOLDER, MESSAGES, vector

from mfp_sim.errors import MfpSimError
from mfp_sim.scep import der, messages
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.crl import Crl
from mfp_sim.scep.csr import Csr
from mfp_sim.scep.elements import leaves
from mfp_sim.scep.envelope import read_envelope
from mfp_sim.scep.http import HttpRequest, read_capabilities, read_scep_query
from mfp_sim.simtime import Entropy

TOTAL = int(os.environ.get("MFP_SIM_MUTATIONS", "100000"))

COPIES = 40
"""How many times its own length the reader may hand out of a message, in octets."""


def _message(octets: bytes) -> int:
    message = messages.decode(octets)
    message.describe()
    signer = message.signer()
    if signer is not None:
        assert isinstance(signer.subject_text, str)
    work = message.signed_data.work
    assert work is not None
    assert work.elements <= der.MAX_ELEMENTS
    assert work.depth <= der.MAX_DEPTH
    assert work.copied <= COPIES * len(octets)
    return 1


def _certificate(octets: bytes) -> int:
    certificate = Certificate.from_der(octets)
    return len((certificate.subject_text, certificate.key_usage, certificate.is_ca, certificate.sans))


def _csr(octets: bytes) -> int:
    request = Csr.from_der(octets)
    return len((request.subject_text, request.sans, request.challenge))


READERS: dict[str, Callable[[bytes], object]] = {
    **dict.fromkeys(MESSAGES, _message),
    "micromdm/getcacert-reply.der": _certificate,
    "openssl/certificate.der": _certificate,
    "openssl/csr.der": _csr,
    "openssl/crl.der": Crl.from_der,
    "openssl/bag.der": lambda octets: messages.read_ca_certificates(octets, None),
    "openssl/envelope-ber.der": read_envelope,
    "openssl/envelope-oaep.der": read_envelope,
    "openssl/envelope-password.der": read_envelope,
    "openssl/envelope-key-identifier.der": read_envelope,
    "openssl/signed-ber.der": _message,
    "openssl/signed-key-identifier.der": _message,
}
WHOLE = sum(len(vector(name)) for name in READERS)


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


def _mutations(octets: bytes, count: int) -> Iterator[bytes]:
    for source in (_of_elements, _of_octets, _by_chance):
        for mutated in source(octets):
            if count == 0:
                return
            count -= 1
            yield mutated


@pytest.mark.parametrize("name", READERS)
def test_a_changed_message_is_read_or_refused_with_a_typed_error(name: str) -> None:
    octets, read = vector(name), READERS[name]
    count = -(-TOTAL * len(octets) // WHOLE)
    outcomes = {"read": 0, "refused": 0}
    for mutated in _mutations(octets, count):
        try:
            read(mutated)
        except MfpSimError:  # anything else fails the test
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
    assert sum(outcomes.values()) == count
    # Signatures are not checked here, so most changes of a content are read; most changes of the structure are not.
    assert outcomes["refused"] > count // 50


@pytest.mark.parametrize("name", READERS)
def test_the_elements_of_a_changed_message_can_be_listed_or_it_is_refused(name: str) -> None:
    octets = vector(name)
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
        ("size", b"\x30\x84\x00\x20\x00\x00" + bytes(2 * 1024 * 1024), "at most 1048576 octets"),
        ("a lying length", b"\x30\x84\x7f\xff\xff\xff\x00", "octets of content"),
        ("a length of nine octets", b"\x30\x89" + bytes(9), "a length of at most 4 octets"),
    ],
)
def test_the_caps(what: str, octets: bytes, expected: str) -> None:
    with pytest.raises(MfpSimError, match=expected):
        list(_elements(octets))
    with pytest.raises(MfpSimError):
        messages.decode(octets)
