"""Printer, wire and CA for tests: `Bench` connects them, `ScepClient` can send anything to the CA.

`MockScepServer` is the CA on a socket, for clients that are not written with this package; the module
`mfp_sim.testing.container` runs it in a container. Public, and used by the product's own tests. The product itself does
not import it.
"""

from mfp_sim.testing.bench import CHALLENGE, KEY, START, Bench
from mfp_sim.testing.client import ScepClient
from mfp_sim.testing.server import MockScepServer
from mock_scep_server.script_file import script_of

__all__ = ["CHALLENGE", "KEY", "START", "Bench", "MockScepServer", "ScepClient", "script_of"]
