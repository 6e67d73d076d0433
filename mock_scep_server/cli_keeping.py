"""``mock-scep-server``: the options about the CA that is kept, and handed out."""

from __future__ import annotations

import argparse
import ssl
from pathlib import Path

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.secret_options import secret_of
from mock_scep_server.store import MemoryStore, SqliteStore
from mock_scep_server.vault import Vault

__all__ = ["vault_of", "write_certificate"]


def vault_of(options: argparse.Namespace) -> Vault:
    """Where the CA is kept.

    Raises:
        UsageError: options that do not go together, a file that cannot be read, or a directory that cannot be had.
    """
    passphrase = secret_of(options, "state_passphrase")
    if passphrase is not None and options.state_dir is None:
        raise UsageError("a passphrase of the state needs a state", remedy="add --state-dir")
    store = MemoryStore() if options.state_dir is None else SqliteStore(options.state_dir)
    return Vault(store, passphrase)


def write_certificate(path: Path, certificate: Certificate) -> None:
    """The certificate in PEM.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.write_text(ssl.DER_cert_to_PEM_cert(certificate.der), "ascii")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
