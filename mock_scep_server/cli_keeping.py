"""``mock-scep-server``: the options about the CA that is kept, brought along, and handed out."""

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
    """Where the CA is kept, and the one that is brought.

    Raises:
        UsageError: options that do not go together, a file that cannot be read, or a directory that cannot be had.
    """
    passphrase, of_key = secret_of(options, "state_passphrase"), secret_of(options, "ca_key_passphrase")
    if passphrase is not None and options.state_dir is None:
        raise UsageError("a passphrase of the state needs a state", remedy="add --state-dir")
    if options.ca_key is None and (options.ca_certificate is not None or of_key is not None):
        raise UsageError("--ca-certificate and --ca-key-passphrase-file go with --ca-key", remedy="add --ca-key")
    own = None
    if options.ca_key is not None:
        own = read_own_ca(options.ca_key, options.ca_certificate, of_key, clock.now())
    store = MemoryStore() if options.state_dir is None else SqliteStore(options.state_dir)
    return Vault(store, passphrase, own)
