"""A PKI for TLS clients in two tiers, as files: what F-T16 needs, a leaf whose issuer a server does not know by itself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock

PASSWORD = "hush-key"


@dataclass(frozen=True)
class ClientPki:
    """``root`` is what a server knows; ``leaf`` is the client's certificate with its key, ``chain`` the same with the
    intermediate between; ``key`` is the key alone, ``sealed`` the same with :data:`PASSWORD`; ``stranger`` is of
    another root."""

    root: Path
    leaf: Path
    chain: Path
    key: Path
    sealed: Path
    stranger: Path


def client_pki(folder: Path) -> ClientPki:
    """Makes one, valid now, in files of ``folder``."""
    keys, now = PooledKeys(Entropy(11), side=0), SystemClock().now().replace(microsecond=0)
    names = {name: x509.name(("CN", f"{name} of clients")) for name in ("root", "intermediate", "leaf", "stranger")}
    pairs = {name: keys.rsa(2048) for name in names}

    def made(name: str, issuer: str) -> str:
        ca = name != "leaf" and name != "stranger"
        usage = ("keyCertSign", "cRLSign") if ca else ("digitalSignature",)
        extensions = [x509.basic_constraints_extension(ca), x509.key_usage_extension(*usage)]
        extensions += [] if ca else [x509.extended_key_usage_extension(v.CLIENT_AUTH)]
        found = x509.issue(
            serial=int.from_bytes(name.encode()[:6], "big"),
            issuer=names[issuer],
            subject=names[name],
            spki=x509.spki_of(pairs[name]),
            not_before=now - timedelta(days=1),
            not_after=now + timedelta(days=30),
            extensions=extensions,
            signing_key=pairs[issuer],
        )
        return ssl.DER_cert_to_PEM_cert(found.der)

    def private(name: str, password: str | None = None) -> str:
        how = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return pairs[name].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()

    leaf, intermediate = made("leaf", "intermediate"), made("intermediate", "root")
    texts = {
        "root": made("root", "root"),
        "leaf": leaf + private("leaf"),
        "chain": leaf + intermediate + private("leaf"),
        "key": private("leaf"),
        "sealed": private("leaf", PASSWORD),
        "stranger": made("stranger", "stranger") + private("stranger"),
    }
    files = {}
    for name, text in texts.items():
        files[name] = folder / f"{name}.pem"
        files[name].write_text(text, "ascii")
    return ClientPki(**files)
