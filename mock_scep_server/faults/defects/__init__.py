"""Defects of a CA towards requests: what a broken registration authority in front of it would do.

The faults of the layers change a reply; a defect grants what must be refused, refuses what must be granted, or forgets
what must be remembered. A :class:`Gate` stands before the service and answers in its place where a defect applies; it
issues with the CA's own keys. Serves the proof of the conformance checks. Owns no policy of a right CA.
"""

from mock_scep_server.faults.defects.gate import DEFECTS, Defect, Gate

__all__ = ["DEFECTS", "Defect", "Gate"]
