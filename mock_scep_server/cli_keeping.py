"""The options of `mock-scep-server` about stored state and your own CA."""

from __future__ import annotations

import argparse

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.secret_options import secret_of
from mfp_sim.shared.simtime import Clock
from mock_scep_server.own_ca import read_own_ca
from mock_scep_server.store import MemoryStore, SqliteStore
from mock_scep_server.vault import Vault

__all__ = ["vault_of"]


def vault_of(options: argparse.Namespace, clock: Clock) -> Vault:
    """Return the vault: where the CA is stored, and your own CA if one is given.

    Raises:
        UsageError: options conflict, a file cannot be read, or the directory cannot be created.
    """
    passphrase, of_key = secret_of(options, "state_passphrase"), secret_of(options, "ca_key_passphrase")
    if passphrase is not None and options.state_dir is None:
        raise UsageError("--state-passphrase-file needs --state-dir", remedy="add --state-dir")
    if options.ca_key is None and (options.ca_certificate is not None or of_key is not None):
        raise UsageError("--ca-certificate and --ca-key-passphrase-file need --ca-key", remedy="add --ca-key")
    own = None
    if options.ca_key is not None:
        own = read_own_ca(options.ca_key, options.ca_certificate, of_key, clock.now())
    store = MemoryStore() if options.state_dir is None else SqliteStore(options.state_dir)
    return Vault(store, passphrase, own)
