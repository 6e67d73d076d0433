"""Documents: YAML with positions (``nodes``), kinds of values (``kinds``), and kinds of maps (``records``).

Import nodes from here. Modules that describe a document import ``kinds`` and ``records`` directly.
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
    is_secret,
    load,
    load_text,
    node_of,
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
    "is_secret",
    "load",
    "load_text",
    "node_of",
    "plain",
]
