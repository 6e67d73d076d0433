"""The checks of ``--quick``, in one place. At most `BUDGET` certificates, regardless of what the server does.

These checks decide most: whether clients can enrol and renew, what a stranger gets, and what is lost with a reply.
Checks that only watch need no certificate and always run. ``mfp-sim conform --list --quick`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mfp_sim.conformance.model import Check

__all__ = ["BUDGET", "PRINTERS", "QUICK", "quick"]

BUDGET: Final = 20
"""Certificates, including those for the printer and those that the server should not issue."""
PRINTERS: Final = ("canon-ir-adv-dx",)
"""The models that are tried if none is given."""

QUICK: Final = (
    # Can clients reach and read it? These checks request no certificate.
    "getcacert-supported", "getcacert-bag-shape", "getcacert-media-type", "getcacert-self-contained", "ca-valid-now",
    "signer-usage", "recipient-usage", "caps-supported", "caps-keywords-plain", "caps-keyword-case",
    # Do clients get a certificate, in each of the ways that they use?
    "self-signed-enrolment", "aes-128-request", "sha-256-request", "aes-128-reply", "sha-256-reply", "single-des-never",
    "md5-never", "post-binary", "get-pkioperation", "get-standard-base64", "transactionid-forms",
    "nonce-of-this-request", "challenge-string-types", "san-honoured",
    # Can they renew it later?
    "renewal-without-challenge", "renewal-new-certificate", "renewal-for-new-key", "renewal-reply-to-old-key",
    # What does a client get that must get nothing?
    "challenge-missing", "challenge-wrong", "challenge-empty", "renewal-by-stranger", "renewal-self-signed",
    "renewal-other-name", "ca-true-not-copied", "refuses-csr-forged", "refuses-bad-signature", "single-des-refused",
    "md5-refused", "refuses-unknown-types",
    # What happens to a request whose reply is lost, and to bytes that are not a request?
    "replay-same-octets", "transaction-lost-reply", "poll-unknown", "failures-are-certreps", "unknown-operation",
    "malformed-truncated", "malformed-text", "http-keep-alive",
)  # fmt: skip
"""The checks that send something, by id."""


def quick(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks among ``checks`` that ``--quick`` runs, in their order."""
    chosen = frozenset(QUICK)
    return tuple(check for check in checks if check.watches or check.id in chosen)
