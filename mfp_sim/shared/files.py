"""Reads the files that a command is given, up to a size, with errors that name the file; writes certificates."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfp_sim.shared.errors import UsageError, unread

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["json_of", "octets_of", "readable", "rsa_key_of", "text_of", "write_certificate"]

_KEY = 64 * 1024
"""The largest file with one private key, in bytes."""
_ONE_CERTIFICATE = re.compile(rb"\s*(-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\s*)?")


def readable(path: Path) -> Path:
    """The path of a file to be read, except that of a named pipe: it would be read when something writes, or never.

    The descriptors of a process are readable (``/dev/stdin``, and ``/dev/fd/63`` for ``<(command)``): they have a
    writer. Opening the file shows other problems.

    Raises:
        UsageError: it is a named pipe.
    """
    try:
        is_pipe = stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return path
    places = (path.absolute(), path.resolve()) if is_pipe else ()
    if is_pipe and not any(str(place).startswith(("/dev/", "/proc/")) for place in places):
        raise UsageError(f"{path} is a named pipe", remedy="give a file, or <(COMMAND) for the output of a command")
    return path


def octets_of(path: Path, most: int, *, what: str = "", remedy: str = "") -> bytes:
    """The content of a file of at most ``most`` bytes.

    Args:
        path: the file.
        most: the largest size.
        what: what to call the file in errors; by default, its path.
        remedy: what to do if there is no such file.

    Raises:
        UsageError: the file cannot be read, is a named pipe, or is larger.
    """
    try:
        with readable(path).open("rb") as file:
            octets = file.read(most + 1)
    except OSError as error:
        raise unread(what or path, error, remedy) from None
    if len(octets) > most:
        raise UsageError(f"{what or path} is larger than {most} bytes")
    return octets


def text_of(path: Path, most: int, *, what: str, remedy: str = "") -> str:
    """The text of a file in UTF-8, perhaps with a byte order mark; every line ends with ``\\n``. The parameters are
    those of `octets_of`.

    Raises:
        UsageError: as for `octets_of`, or it is not UTF-8; the error has no byte of it, which may be a secret.
    """
    try:
        text = octets_of(path, most, what=what, remedy=remedy).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {what}: it is not UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def json_of(path: Path, most: int, remedy: str) -> Any:
    """The JSON value of a file; ``remedy`` says which file it should be.

    Raises:
        UsageError: it cannot be read, is larger than ``most`` bytes, or is not JSON.
    """
    try:
        return json.loads(octets_of(path, most))
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not JSON", remedy=remedy) from None


def rsa_key_of(path: Path) -> RSAPrivateKey:
    """The RSA private key, which opens SCEP envelopes, from a PEM file without a password.

    Raises:
        UsageError: the file cannot be read, or does not hold such a key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - most commands are given no key
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above

    try:
        key = load_pem_private_key(octets_of(path, _KEY), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path} is not a PEM private key without a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(f"{path} is not an RSA key, which SCEP envelopes need")
    return key


def write_certificate(path: Path, der: bytes, option: str) -> None:
    """Write a certificate in PEM. It replaces only another certificate: ``option`` may name a key file by mistake.

    Raises:
        UsageError: the file cannot be written, or exists and is not a single certificate in PEM.
    """
    import ssl  # noqa: PLC0415 - most commands write no certificate

    try:
        if path.is_file() and not _ONE_CERTIFICATE.fullmatch(path.read_bytes()):
            text = f"{path} exists already and is not a single PEM certificate"
            raise UsageError(text, remedy=f"give {option} another name: only a certificate is overwritten")
        path.write_text(ssl.DER_cert_to_PEM_cert(der), "ascii")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
