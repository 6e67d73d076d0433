"""The content keys that ``--save-keys`` writes beside saved exchanges: one key in hex per file, ``….request.key``.

Must not read private keys. A content key opens one envelope, so it is only looked up under the exchange's name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mfp_sim.shared.errors import UsageError, unread
from mfp_sim.shared.files import readable

__all__ = ["KEY_LENGTHS", "content_keys_beside"]

KEY_LENGTHS: Final = (8, 16, 24, 32)
"""The lengths of DES, AES and triple DES keys, in bytes."""


def content_keys_beside(file: Path) -> tuple[bytes, ...]:
    """The content key beside a file of ``--save``; an empty tuple if there is no key file.

    Raises:
        UsageError: the key file cannot be read, or does not hold a key.
    """
    if file.suffix != ".http":
        return ()
    beside = file.with_suffix(".key")
    try:
        with readable(beside).open("rb") as opened:
            text = opened.read(2 * max(KEY_LENGTHS) + 3).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise unread(beside, error) from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) not in KEY_LENGTHS:
        raise UsageError(f"{beside} is not a content key in hexadecimal", remedy="remove the file")
    return (key,)
