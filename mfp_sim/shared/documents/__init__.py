"""Documents: YAML with positions (``nodes``), what a value may be (``kinds``), and what a map may be (``records``).

Nodes are imported from here; ``kinds`` and ``records`` by their names, where a document is described.
"""

from mfp_sim.shared.documents.nodes import (
    MAX_OCTETS,
    YEARS,
    Node,
    Problems,
    describe,
    did_you_mean,
    duration,
    in_years,
    load,
    load_text,
    plain,
)

__all__ = [
    "MAX_OCTETS",
    "YEARS",
    "Node",
    "Problems",
    "describe",
    "did_you_mean",
    "duration",
    "in_years",
    "load",
    "load_text",
    "plain",
]
