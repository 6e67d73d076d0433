"""Files that a command is given: errors name the file, and nothing too large is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import json_of, octets_of, rsa_key_of
from mfp_sim.shared.simtime import Entropy, PooledKeys


def test_a_file_is_read_up_to_its_size(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"12345")
    assert octets_of(file, 5) == b"12345"
    with pytest.raises(UsageError, match="x is larger than 4 bytes"):
        octets_of(file, 4)
    with pytest.raises(UsageError, match=r"cannot read .*missing: No such file") as missing:
        octets_of(tmp_path / "missing", 4)
    assert missing.value.remedy == "check its name, and the directory in which this command runs"
    with pytest.raises(UsageError, match="Is a directory") as directory:
        octets_of(tmp_path, 4)
    assert directory.value.remedy == "give a file, not a directory"


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\x00"])
def test_what_is_not_json(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="is not JSON") as error:
        json_of(file, 1_000_000, "give another")
    assert error.value.remedy == "give another"


def test_the_key_that_opens_envelopes(tmp_path: Path) -> None:
    key, file = PooledKeys(Entropy(1)).rsa(2048), tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert rsa_key_of(file).private_numbers() == key.private_numbers()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary")))
    with pytest.raises(UsageError, match="is not a PEM private key without a password"):
        rsa_key_of(file)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UsageError, match="is not an RSA key, which SCEP envelopes need"):
        rsa_key_of(file)
