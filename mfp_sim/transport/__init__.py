"""The wire, with two carriers: in process as events on the injected clock, and real sockets.

The beginning and the end of an exchange are separate events; no time passes within either. Both carriers read replies
with the same reader under the same deadline, and differ only in the source of the bytes, so a delivery has the same
outcome on both. This package must not know SCEP. Redirects are not followed. TLS and proxies are only for real
servers, not in process. Serves MFP-COM-* and the TOP ERROR details.
"""

from mfp_sim.transport.connecting import TlsSession
from mfp_sim.transport.in_process import InProcess
from mfp_sim.transport.reader import place_of
from mfp_sim.transport.sockets import SocketClient, Sockets
from mfp_sim.transport.wire import (
    EXCHANGE_LABELS,
    Done,
    Network,
    NetworkState,
    Overheard,
    Result,
    Sequential,
    Transport,
    UnderWay,
    Wire,
)

__all__ = [
    "EXCHANGE_LABELS",
    "Done",
    "InProcess",
    "Network",
    "NetworkState",
    "Overheard",
    "Result",
    "Sequential",
    "SocketClient",
    "Sockets",
    "TlsSession",
    "Transport",
    "UnderWay",
    "Wire",
    "place_of",
]
