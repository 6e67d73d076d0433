"""Everything the mock can do wrong: layers of primitives, combinations, families of slugs, and the registry of them."""

from mock_scep_server.faults.base import Fault
from mock_scep_server.faults.registry import FAULTS

__all__ = ["FAULTS", "Fault"]
