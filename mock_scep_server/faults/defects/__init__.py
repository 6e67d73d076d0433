"""Defects of a CA in handling requests, like those of a broken registration authority in front of it.

A fault of a layer changes a reply; a defect grants what must be refused, refuses what must be granted, or forgets what
must be remembered. A `Gate` stands in front of the service and answers instead of it where a defect applies; it issues
with the CA's own keys. The defects prove the conformance checks. This package does not own the policy of a correct CA.
"""

from mock_scep_server.faults.defects.gate import DEFECTS, Defect, Gate

__all__ = ["DEFECTS", "Defect", "Gate"]
