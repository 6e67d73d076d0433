"""Other readings and values of a model's assumptions.

Owns the table of values to try, and chooses the flips for one model. It runs no scenarios.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mfp_sim.device.printer_profile import READINGS, Profile, with_reading
from mfp_sim.shared.errors import UsageError

__all__ = ["MEASURABLE", "OTHER_VALUES", "Flip", "flips_of"]

# assumption: {value of the model: other values}. Only the ends of ranges move: no scenario tests the inside.
OTHER_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "A-01": {"url_length": ("4096",), "https": ("true",)},
    "A-02": {"port_range": ("[0, 99999]", "[2, 65534]")},
    "A-03": {"timeout_range": ("[0, 600]", "[2, 299]"), "default_timeout": ("60",)},
    "A-05": {"key_name_length": ("25", "23")},
    "A-06": {"hashes": ("[SHA256, SHA512]", "[SHA1, SHA256]")},
    "A-07": {"key_lengths": ("[2048]", "[2048, 4096]")},
    "A-08": {"organization_length": ("100", "63")},
    "A-09": {"common_name_length": ("63",)},
    "A-10": {"challenge_length": ("254",)},
    "A-11": {"uses": ("[None, TLS, IEEE 802.1X, IPSec, SIP, Device Signature]", "[None, TLS, IPSec]")},
    "A-15": {"adjustment_range": ("[601, 1200]",)},
    "A-16": {"poll_count_range": ("[0, 1000]", "[1, 99]"), "poll_minutes_range": ("[0, 2880]", "[1, 1439]")},
    "A-17": {"period_days_range": ("[0, 366]", "[1, 364]")},
    "A-18": {"restart_seconds": ("120",), "transfer_seconds": ("20",)},
    "A-26": {"key_limit": ("6",), "default_key_name": ("Factory Key",), "default_key_use": ("IPSec",)},
    "A-27": {"read_single_des": ("true",)},
}

MEASURABLE = frozenset({*READINGS, *OTHER_VALUES})
"""The assumptions that have another reading, or another value for a part of them."""


@dataclass(frozen=True)
class Flip:
    """One change of one value of a model; ``text`` is the argument of ``--flip``: ``A-22=5xx``, ``A-26=key_limit=6``.

    ``reading``: whether the change is a reading in the register; if not, it is another value of a limit or a duration.
    """

    text: str
    value: str
    reading: bool

    @property
    def assumption(self) -> str:
        """The number: ``A-22``."""
        return self.text.partition("=")[0]


def flips_of(models: Sequence[Profile], given: Collection[str] = ()) -> tuple[Flip, ...]:
    """The flips to try with the printers of a scenario: those that change an assumed value of one of them.

    Args:
        models: those of all its printers. A value is assumed if its source is an A-number, not a document.
        given: the values that the scenario sets itself, which no flip changes.
    """
    found = []
    for flip in _all_flips():
        changed = [_flipped(model, flip) for model in models]
        if flip.value in given or None in changed:
            continue
        pairs = zip(models, changed, strict=True)
        if any(other != model and flip.assumption in _assumed(model, flip.value) for model, other in pairs):
            found.append(flip)
    return tuple(found)


def _assumed(model: Profile, value: str) -> list[str]:
    """The assumptions that a value of a model depends on."""
    return re.findall(r"\bA-\d\d\b", model.sources.get(value, ""))


def _all_flips() -> Iterator[Flip]:
    for assumption, (value, readings) in READINGS.items():
        for reading in readings:
            yield Flip(f"{assumption}={reading}", value, reading=True)
    for assumption, values in OTHER_VALUES.items():
        for value, texts in values.items():
            for text in texts:
                yield Flip(f"{assumption}={value}={text}", value, reading=False)


def _flipped(model: Profile, flip: Flip) -> Profile | None:
    """The model with the flip; None if the flip contradicts another value of this model."""
    try:
        return with_reading(model, *flip.text.split("=", 1))
    except UsageError:
        return None
