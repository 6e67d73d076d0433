"""What ``--quick`` runs: the choice, in one place. At most :data:`BUDGET` certificates, whatever the server does.

Chosen is what decides most: whether clients can enrol and renew, what a stranger gets, and what is lost with a reply.
What only watches costs nothing and is always there. ``mfp-sim conform --list --quick`` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mfp_sim.conformance.model import Check

__all__ = ["BUDGET", "PRINTERS", "QUICK", "quick"]

BUDGET: Final = 20
"""Certificates, those for the printer and those of mistakes included."""
PRINTERS: Final = ("canon-ir-adv-dx",)
"""The models that are tried where none is named."""

QUICK: Final = (
    # Can it be reached and read at all? Nothing of this asks for a certificate.
    "getcacert-supported", "getcacert-bag-shape", "getcacert-media-type", "getcacert-self-contained", "ca-valid-now",
    "signer-usage", "recipient-usage", "caps-supported", "caps-keywords-plain", "caps-keyword-case",
    # Do clients get a certificate, by each way that they go?
    "self-signed-enrolment", "aes-128-request", "sha-256-request", "aes-128-reply", "sha-256-reply", "single-des-never",
    "md5-never", "post-binary", "get-pkioperation", "get-standard-base64", "transactionid-forms",
    "nonce-of-this-request", "challenge-string-types", "san-honoured",
    # And a new one later?
    "renewal-without-challenge", "renewal-new-certificate", "renewal-for-new-key", "renewal-reply-to-old-key",
    # What does somebody get who may have nothing?
    "challenge-missing", "challenge-wrong", "challenge-empty", "renewal-by-stranger", "renewal-self-signed",
    "renewal-other-name", "ca-true-not-copied", "refuses-csr-forged", "refuses-bad-signature", "single-des-refused",
    "md5-refused", "refuses-unknown-types",
    # What becomes of a request whose reply is lost, and of one that is none?
    "replay-same-octets", "transaction-lost-reply", "poll-unknown", "failures-are-certreps", "unknown-operation",
    "malformed-truncated", "malformed-text", "http-keep-alive",
)  # fmt: skip
"""The checks that send something, by id."""


def quick(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Those of ``checks`` that are in the choice, in their order."""
    chosen = frozenset(QUICK)
    return tuple(check for check in checks if check.watches or check.id in chosen)
