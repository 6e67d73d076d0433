"""Everything the mock can do wrong, one module a layer; importing the package fills the registry."""

from mock_scep_server.faults import delivery, message
from mock_scep_server.faults.base import FAULTS, Fault, FaultEntry

__all__ = ["FAULTS", "Fault", "FaultEntry", "delivery", "message"]
