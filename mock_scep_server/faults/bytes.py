"""Faults of the bytes layer: the bytes of a reply's body are changed after encoding."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from mock_scep_server.faults.base import Context, Fault

__all__ = ["AlteredBody", "flipped", "pem"]


@dataclass(frozen=True)
class AlteredBody(Fault):
    """Change the body with `change`."""

    change: Callable[[bytes, Context], bytes]

    def on_bytes(self, octets: bytes, context: Context) -> bytes:
        return self.change(octets, context)


def flipped(octets: bytes) -> bytes:
    """Flip the last bit, which mostly belongs to a signature."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def pem(octets: bytes, label: str) -> bytes:
    """Return PEM with lines of 64 characters."""
    text = b64encode(octets).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")
