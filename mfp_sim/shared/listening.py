"""A listening TCP socket, or the reason why it failed: the same messages for every server of the product."""

from __future__ import annotations

import errno
import socket

from mfp_sim.shared.errors import UsageError

__all__ = ["listen", "reason_of"]

_WAITING = 128
"""The number of connections that the system may keep waiting."""


def listen(host: str, port: int, *, port_option: str = "--port") -> socket.socket:
    """Bind and listen; port 0 picks a free port. ``port_option`` is the name of the port's option in the remedy.

    Raises:
        UsageError: the host does not resolve or is not local; the port is in use, needs privileges, or does not exist.
    """
    told = f"cannot listen on {host}, port {port}"
    if not 0 <= port <= 65535:  # the system would take it modulo 65536, and listen on a port that was not asked for
        remedy = f"choose another {port_option}, or 0 for any free port"
        raise UsageError(f"{told}: a port is a number from 0 to 65535", remedy=remedy)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        remedy = f"{host!r} is neither an address of this computer nor a name for one: choose another --host"
        raise UsageError(f"{told}: {reason_of(error)}", remedy=remedy) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_WAITING)
    except (OSError, OverflowError) as error:
        listener.close()
        remedies = {
            errno.EADDRNOTAVAIL: f"{host!r} is not an address of this computer: choose another --host, or leave it out",
            errno.EACCES: f"ports below 1024 need privileges: choose another {port_option}, or 0 for any free port",
        }
        usual = f"another program uses the port: stop it, or choose another {port_option}, or 0 for any free port"
        remedy = remedies.get(getattr(error, "errno", None) or 0, usual)
        raise UsageError(f"{told}: {reason_of(error)}", remedy=remedy) from None
    return listener


def reason_of(error: Exception) -> str:
    """The system's error text, in lower case and without its number."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
