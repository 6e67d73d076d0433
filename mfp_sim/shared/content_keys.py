"""The content keys that ``--save-keys`` leaves beside saved exchanges: one in hexadecimal in a file, ``….request.key``.

May read no private key. A key opens one envelope, so it is looked for under that exchange's name only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mfp_sim.shared.errors import UsageError

__all__ = ["KEY_LENGTHS", "content_keys_beside"]

KEY_LENGTHS: Final = (8, 16, 24, 32)
"""Of keys of DES, AES and triple DES, in bytes."""


def content_keys_beside(file: Path) -> tuple[bytes, ...]:
    """The content key beside a file of ``--save``; none where there is no such file.

    Raises:
        UsageError: it cannot be read, or holds no key.
    """
    if file.suffix != ".http":
        return ()
    beside = file.with_suffix(".key")
    try:
        with beside.open("rb") as opened:
            text = opened.read(2 * max(KEY_LENGTHS) + 3).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"cannot read {beside}: {error.strerror}") from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) not in KEY_LENGTHS:
        raise UsageError(f"{beside} is not a content key in hexadecimal", remedy="remove the file")
    return (key,)
