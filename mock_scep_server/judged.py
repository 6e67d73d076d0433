"""The requirements of RFC 8894 on clients: those that the judge checks, and why messages do not show the others.

The table covers every entry of the catalogue whose `on` is `client` or `both`. A test checks that, and that a message
proves each entry of `JUDGED`. This module judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["JUDGED", "TOLD_UNDER", "UNSEEN"]

JUDGED: Final = frozenset(
    [
        "SCEP-2.2-01",
        "SCEP-2.3-01",
        "SCEP-2.3-02",
        "SCEP-2.3-04",
        "SCEP-2.3-05",
        "SCEP-2.3-07",
        "SCEP-2.3-12",
        "SCEP-2.4-06",
        "SCEP-2.4-12",
        "SCEP-2.5-03",
        "SCEP-2.5-04",
        "SCEP-2.9-09",
        "SCEP-2.9-10",
        "SCEP-3-01",
        "SCEP-3-02",
        "SCEP-3-03",
        "SCEP-3-04",
        "SCEP-3-05",
        "SCEP-3.1-03",
        "SCEP-3.1-04",
        "SCEP-3.2-01",
        "SCEP-3.2-02",
        "SCEP-3.2-03",
        "SCEP-3.2-04",
        "SCEP-3.2-05",
        "SCEP-3.2-09",
        "SCEP-3.2-10",
        "SCEP-3.2-11",
        "SCEP-3.2-12",
        "SCEP-3.2-13",
        "SCEP-3.2-14",
        "SCEP-3.2.1-01",
        "SCEP-3.2.1-02",
        "SCEP-3.2.1-03",
        "SCEP-3.2.1-05",
        "SCEP-3.2.1-09",
        "SCEP-3.2.1-10",
        "SCEP-3.2.1-14",
        "SCEP-3.2.1-16",
        "SCEP-3.2.1-17",
        "SCEP-3.2.1-18",
        "SCEP-3.2.1-19",
        "SCEP-3.2.1.1-01",
        "SCEP-3.2.1.1-02",
        "SCEP-3.2.1.1-07",
        "SCEP-3.2.1.2-03",
        "SCEP-3.2.1.2-06",
        "SCEP-3.2.1.5-02",
        "SCEP-3.2.2-01",
        "SCEP-3.2.2-03",
        "SCEP-3.2.2-05",
        "SCEP-3.2.2-06",
        "SCEP-3.3.1-01",
        "SCEP-3.3.1-02",
        "SCEP-3.3.1-03",
        "SCEP-3.3.1-06",
        "SCEP-3.3.1-07",
        "SCEP-3.3.3-01",
        "SCEP-3.3.3-02",
        "SCEP-3.3.3-03",
        "SCEP-3.3.3-06",
        "SCEP-3.3.4-01",
        "SCEP-3.5.1-01",
        "SCEP-3.5.2-16",
        "SCEP-3.5.2-17",
        "SCEP-3.5.2-18",
        "SCEP-4.1-01",
        "SCEP-4.1-02",
        "SCEP-4.1-06",
        "SCEP-4.1-07",
        "SCEP-4.1-08",
        "SCEP-4.1-09",
        "SCEP-4.1-10",
        "SCEP-4.2-01",
        "SCEP-4.2-02",
        "SCEP-4.3-01",
        "SCEP-4.3-02",
        "SCEP-4.4-03",
        "SCEP-4.7-01",
        "SCEP-4.7-03",
        "SCEP-7.1-01",
    ]
)
"""The requirements whose violation the judge can detect."""

TOLD_UNDER: Final[Mapping[str, str]] = {
    "SCEP-2.3-11": "SCEP-3.2-05",
    "SCEP-2.4-02": "SCEP-3.3.1-03",
    "SCEP-2.5-01": "SCEP-3.2-03",
    "SCEP-3-06": "SCEP-3.2-04",
    "SCEP-3.1-01": "SCEP-3.2-02",
    "SCEP-3.1-02": "SCEP-3.1-04",
    "SCEP-3.1-05": "SCEP-3.2-02",
    "SCEP-3.1-06": "SCEP-3.2-05",
    "SCEP-3.2.1.1-03": "SCEP-4.4-03",
    "SCEP-3.2.1.1-08": "SCEP-3.2.1-01",
    "SCEP-3.2.1.2-01": "SCEP-3.2.1.2-03",
    "SCEP-3.2.1.2-05": "SCEP-3.2.1.2-03",
    "SCEP-3.2.1.5-01": "SCEP-3.2.1-14",
    "SCEP-3.2.2-02": "SCEP-3.2-03",
    "SCEP-3.3-01": "SCEP-3.2.1-02",
    "SCEP-3.3.1-04": "SCEP-3.2.1-03",
    "SCEP-3.3.3-05": "SCEP-3.2.1-03",
    "SCEP-3.3.4-02": "SCEP-3.2.1-03",
    "SCEP-4.4-02": "SCEP-4.3-01",
    "SCEP-4.5-01": "SCEP-4.3-01",
    "SCEP-4.6-01": "SCEP-4.3-01",
    "SCEP-4.7-02": "SCEP-4.2-02",
    "SCEP-6-02": "SCEP-3.2.1.2-03",
    "SCEP-6.4-01": "SCEP-3-01",
    "SCEP-7.9-01": "SCEP-3.5.2-16",
    "SCEP-7.10-01": "SCEP-3.3.1-03",
}
"""Requirements equivalent to another one, under which the judge reports the finding."""

_SET_UP = "the configuration of a client is not visible on the wire"
_ACCEPTS = "it concerns how a client reacts to a reply, which mfp-sim examine tests"
_CONDUCT = "it shows only over time and with the CA's replies, which mfp-sim examine tests"
_MAY = "it permits something, so it cannot be violated"
_SERVER = "the client's part is to accept what the server sends"
_SUPPORT = "a client's abilities show only when they are needed"
_REASONS: Final[Mapping[str, str]] = {
    _SET_UP: "2.1.1-01 2.1.1-02 2.1.1-03 4.1-04",
    _ACCEPTS: (
        "2.2-06 2.2-07 2.2-08 2.5.1-01 2.5.1-02 3.2-06 3.2-08 3.2.1.1-09 3.2.1.3-02 3.2.1.3-04 3.2.1.4-08 "
        "3.2.1.4-09 3.2.1.5-04 3.2.1.5-05 3.2.1.5-09 3.3.2-02 3.3.2.1-04 3.3.2.1-11 3.3.2.1-12 3.3.2.1-13 "
        "3.3.2.1-15 3.3.2.2-05 3.3.2.3-02 3.5.2-12 3.5.2-14 3.5.2-15 3.5.2-22 3.5.2-24 4.1-20 4.2.1-01 "
        "4.2.1.2-04 4.7.1-02 4.7.1-06 7.5-01 7.5-02 7.10-02"
    ),
    _CONDUCT: (
        "2.1.2-04 2.5-06 2.5-07 2.5-09 2.5.1-03 2.5.1-04 3.5.2-25 3.5.2-26 4.4-01 4.4-05 5.1-01 5.2-01 5.2-06 5.2-07"
    ),
    _MAY: "2.2-04 2.2-05 2.3-10 2.4-05 2.5-05 2.7-01 2.9-07 2.9-08 4.1-21 A-02",
    _SERVER: "2.2-09 2.3-15 2.3-16 2.8-01 3.4-01 3.4-04 3.5.2-10 6-01 7.4-01",
    _SUPPORT: "2.9-01 2.9-02 2.9-03 2.9-04 2.9-05 2.9-06",
    "a request does not show whether the client has a certificate of the CA that it does not use": "2.3-09",
    "a request does not show what other ways to a certificate or a CRL the client has": "2.6-01 2.7-02 3.3.4-03 7.8-01",
    "it describes what is visible in transit, and requires nothing": "7.7-01",
}
UNSEEN: Final[Mapping[str, str]] = {
    f"SCEP-{number}": reason for reason, numbers in _REASONS.items() for number in numbers.split()
}
"""Requirements that a client's messages do not show, and the reasons."""
