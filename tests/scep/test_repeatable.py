"""Repeatable RSA and ECDSA: cryptography opens and verifies what we make, and the same input gives the same output."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from mfp_sim.shared.scep.algorithms import HASHES, KeyTransport, sign
from mfp_sim.shared.scep.repeatable import sign_pss
from mfp_sim.shared.simtime import Entropy, PooledKeys

TRANSPORTS = (
    KeyTransport(),
    KeyTransport("oaep"),
    KeyTransport("oaep", "sha256", "sha1"),
    KeyTransport("oaep", "sha256", "sha256", b"label"),
)


@pytest.fixture(scope="module", params=[1024, 2048, 4096])
def key(request):
    return PooledKeys(Entropy(1), side=0).rsa(request.param)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.label_text)
@pytest.mark.parametrize("length", [8, 16, 24, 32])
def test_the_library_opens_what_was_padded_repeatably(key, transport: KeyTransport, length: int) -> None:
    secret = Entropy(length).octets(length)
    wrapped = transport.wrap(key.public_key(), secret, repeatable=True)
    assert key.decrypt(wrapped, transport.padding()) == secret
    assert transport.wrap(key.public_key(), secret, repeatable=True) == wrapped
    other = bytes((secret[0] ^ 1,)) + secret[1:]
    assert transport.wrap(key.public_key(), other, repeatable=True) != wrapped


def test_no_padding_octet_of_pkcs1_is_zero() -> None:
    key = PooledKeys(Entropy(1), side=0).rsa(1024)
    private = key.private_numbers()
    for number in range(300):
        wrapped = KeyTransport().wrap(key.public_key(), number.to_bytes(16, "big"), repeatable=True)
        block = pow(int.from_bytes(wrapped, "big"), private.d, private.public_numbers.n).to_bytes(128, "big")
        assert block[:2] == b"\x00\x02"
        assert block.index(b"\x00", 2) == 128 - 17


@pytest.mark.parametrize(("transport", "room"), [(TRANSPORTS[0], 117), (TRANSPORTS[1], 86)])
def test_the_longest_secret_fits_and_one_longer_does_not(transport: KeyTransport, room: int) -> None:
    key = PooledKeys(Entropy(1), side=0).rsa(1024)
    longest = bytes(range(1, room + 1))
    assert key.decrypt(transport.wrap(key.public_key(), longest, repeatable=True), transport.padding()) == longest
    with pytest.raises(ValueError, match="too short"):
        transport.wrap(key.public_key(), longest + b"x", repeatable=True)


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384"])
def test_the_library_verifies_a_repeatable_pss_signature(key, digest: str) -> None:
    hashed = HASHES[digest]()
    signature = sign_pss(key, b"signed", digest)
    scheme = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
    key.public_key().verify(signature, b"signed", scheme, hashed)
    assert sign(key, b"signed", digest, pss=True) == signature
    assert sign_pss(key, b"other", digest) != signature


def test_ecdsa_signs_the_same_alike() -> None:
    key = PooledKeys(Entropy(1), side=0).ec(256)
    signature = sign(key, b"signed", "sha256")
    key.public_key().verify(signature, b"signed", ec.ECDSA(hashes.SHA256()))
    assert sign(key, b"signed", "sha256") == signature
    assert sign(key, b"other", "sha256") != signature
