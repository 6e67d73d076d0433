"""Describes for the journal what a fault changed: the fields that differ. Secrets are never shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import Enum

from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import Send
from mock_scep_server.ca import CertificateAuthority

__all__ = ["differences"]


def differences(before: object, after: object, name: str = "") -> Iterator[str]:
    """A phrase for each field in which two values of a type differ, or one phrase for values that are not
    dataclasses."""
    if before is after or before == after:
        return
    if dataclasses.is_dataclass(before) and type(before) is type(after) and not isinstance(before, Certificate):
        for field in dataclasses.fields(before):
            old, new = getattr(before, field.name), getattr(after, field.name)
            inner = f"{name}.{field.name}" if name else field.name
            if field.repr or isinstance(new, bytes):
                yield from differences(old, new, inner)
            elif old != new:
                yield f"{inner} changed"
    elif isinstance(before, CertificateAuthority) and isinstance(after, CertificateAuthority):
        yield from differences(before.issuer.certificate, after.issuer.certificate, "ca")
        yield from differences(before.signer.certificate, after.signer.certificate, "signer")
        yield from differences(before.recipient.certificate, after.recipient.certificate, "recipient")
        yield from differences(before.certificates, after.certificates, "published")
    else:
        yield f"{name or _kind(after)}: {_short(before)} -> {_short(after)}"


def _kind(value: object) -> str:
    return "body" if isinstance(value, bytes) else "answer" if value is not None else "value"


def _short(value: object) -> str:
    """A value in about eighty characters at most; longer bytes as their length and beginning."""
    match value:
        case bytes() if len(value) <= 20:
            return value.hex() or "no bytes"
        case bytes():
            return f"{len(value)} bytes {value[:8].hex()}…"
        case Send():
            return f"send {len(value.octets)} bytes {value.octets[:24]!r}"
        case Certificate():
            span = f"{value.not_before:%Y-%m-%d %H:%M} to {value.not_after:%Y-%m-%d %H:%M}"
            return f"{_clipped(value.subject_text)} {span} {value.fingerprint()[:8]}"
        case Enum():
            return str(value.name)
        case tuple() | list():
            shown = [_short(entry) for entry in value[:8]]
            return f"({', '.join([*shown, f'and {len(value) - 8} more'] if len(value) > 8 else shown)})"
        case str():
            return repr(value if len(value) <= 80 else f"{value[:60]}… ({len(value)} characters)")
        case None:
            return "nothing"
        case _:
            return _clipped(str(value))


def _clipped(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:70]}…"
