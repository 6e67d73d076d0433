"""Which wrong servers break which rule: proofs in a few acts, and what the search must find by itself.

``PROOFS``: acts that make a server of `tests/conformance/wrong_servers` break a rule. ``SOUGHT``: the servers that
decide wrongly about the rules, each with the rule that names its defect and the size of the smallest history;
``python -m tools.searched_servers`` searches all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from acts import acts
from wrong_servers.examined import against

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.exploration.server.history import ServerAct
from mfp_sim.exploration.server.result import FailingHistory
from mfp_sim.exploration.server.search import search_server

FAIL, FINDING = CheckVerdict.FAIL, CheckVerdict.FINDING


@dataclass(frozen=True)
class Proof:
    """A rule that a wrong server breaks by these acts."""

    rule: str
    server: str
    acts: tuple[ServerAct, ...]
    verdict: CheckVerdict = FAIL
    shape: str = "challenge"


PROOFS = (
    Proof("one-certificate", "two-certificates-for-one-request", acts("enrol", "again:1"), FINDING),
    Proof("one-certificate", "two-certificates-for-one-request", acts("enrol", "repeat:1"), FINDING),
    Proof("one-certificate", "each-poll-issues-anew", acts("enrol", "poll:1"), FINDING),
    Proof("serial-once", "serial-always-the-same", acts("enrol", "enrol B")),
    Proof("serial-once", "serial-of-the-second", acts("enrol", "+enrol B")),
    Proof("challenge-required", "challenge-ignored", acts("enrol-wrong-challenge")),
    Proof("challenge-required", "challenge-checked-if-there", acts("enrol-without-challenge")),
    Proof("challenge-required", "challenge-of-given-length", acts("enrol-cut-challenge")),
    Proof("challenge-required", "challenge-begins-right", acts("enrol-longer-challenge")),
    Proof("challenge-required", "challenge-empty-will-do", acts("enrol-empty-challenge")),
    Proof("challenge-required", "challenge-for-new-names-only", acts("enrol", "enrol-known-name:1 B")),
    Proof("challenge-required", "renewal-by-pkcs-req-of-a-stranger", acts("enrol", "enrol-by-stranger:1 B")),
    Proof("poll-by-stranger", "poll-of-a-stranger", acts("enrol", "foreign-poll:1 B")),
    Proof("poll-by-stranger", "poll-of-a-stranger", acts("enrol", "approve:1", "foreign-poll:1 B"), shape="approval"),
    Proof("poll-unknown", "unknown-poll-is-pending", acts("unknown-poll")),
    Proof("transaction-taken", "transaction-taken-over", acts("enrol", "other-key:1 B"), FINDING),
    Proof("renewal-by-stranger", "renewal-of-another-ca", acts("enrol", "renew-by-stranger:1 B")),
    Proof("renewal-by-stranger", "renewal-of-a-self-signed-certificate", acts("enrol", "renew-self-signed:1 B")),
    Proof("renewal-by-revoked", "renewal-of-a-revoked-certificate", acts("enrol", "revoke:1", "renew:1")),
    Proof("renewal-other-name", "renewal-under-another-name", acts("enrol", "renew-other-name:1")),
    Proof("refused-stays-refused", "challenge-asked-once", acts("enrol-wrong-challenge", "repeat:1")),
    Proof("granted-stays-granted", "pending-for-ever", acts("enrol", "poll:1"), FINDING),
    Proof("own-key", "key-of-its-own", acts("enrol")),
    Proof("own-key", "renewal-gives-the-old-certificate", acts("enrol", "renew:1")),
    Proof("own-subject", "subject-of-its-own", acts("enrol"), FINDING),
    Proof("own-nonce", "recipient-nonce-zero", acts("enrol")),
    Proof("own-nonce", "poll-reply-with-the-first-nonce", acts("enrol", "poll:1")),
    Proof("own-transaction", "transaction-id-in-lower-case", acts("enrol")),
    Proof("own-eyes", "enveloped-to-itself", acts("enrol"), FINDING),
    Proof("own-eyes", "certificate-in-clear", acts("enrol"), FINDING),
    Proof("waits-for-operator", "poll-is-approval", acts("enrol", "poll:1"), shape="approval"),
    Proof("waits-for-operator", "second-request-is-approval", acts("enrol", "again:1"), shape="approval"),
    Proof("rejected-stays-rejected", "rejection-kept-from-the-client", acts("enrol", "reject:1", "poll:1"), FINDING,
          "approval"),
    Proof("approved-is-granted", "pending-for-ever", acts("enrol", "approve:1", "poll:1"), FINDING, "approval"),
    Proof("lookup-found", "get-cert-gives-the-newest", acts("enrol", "enrol B", "get-cert:1")),
    Proof("lookup-nothing", "get-cert-of-nothing-succeeds", acts("enrol", "get-cert-unknown:1"), FINDING),
    Proof("lookup-crl", "get-crl-gives-a-certificate", acts("enrol", "get-crl:1")),
    Proof("lookup-revoked", "crl-without-what-is-revoked", acts("enrol", "revoke:1", "get-crl:1"), FINDING),
    Proof("lookup-at-once", "get-cert-is-pending", acts("enrol", "get-cert:1"), FINDING),
)  # fmt: skip


@dataclass(frozen=True)
class Sought:
    """The rule that names a server's defect, and the number of acts in the smallest history. ``in_tests``: the tests
    search this server too."""

    rule: str
    size: int
    shape: str = "challenge"
    in_tests: bool = False


STAGES = (10, 40, 160, 640)
"""The numbers of cases that are tried one after the other; with one seed, each begins with the cases of the previous."""


def searched(name: str, sought: Sought, *, seed: int = 1) -> FailingHistory | None:
    """The failure of the sought rule at a wrong server; None if it is not found."""
    for cases in STAGES:
        with against(name, sought.shape) as session:
            result = search_server(session, seed=seed, cases=cases, keep_going=True)
        for failure in result.failures:
            if failure.rule.slug == sought.rule:
                return failure
    return None


SOUGHT = {
    # challenge
    "challenge-ignored": Sought("challenge-required", 1, in_tests=True),
    "challenge-begins-right": Sought("challenge-required", 1),
    "challenge-of-given-length": Sought("challenge-required", 1),
    "challenge-first-four-letters": Sought("challenge-required", 1),
    "challenge-checked-if-there": Sought("challenge-required", 1),
    "challenge-empty-will-do": Sought("challenge-required", 1),
    "challenge-on-post-only": Sought("challenge-required", 1),
    "challenge-for-new-names-only": Sought("challenge-required", 2),
    "challenge-asked-once": Sought("refused-stays-refused", 2, in_tests=True),
    "challenge-refused-with-a-certificate": Sought("challenge-required", 1),
    "challenge-not-of-a-renewal-req": Sought("renewal-by-stranger", 2),
    "failure-says-success": Sought("challenge-required", 1),
    # renewal
    "renewal-of-a-self-signed-certificate": Sought("renewal-by-stranger", 2),
    "renewal-of-another-ca": Sought("renewal-by-stranger", 2, in_tests=True),
    "renewal-by-name-of-issuer": Sought("renewal-by-stranger", 2),
    "renewal-by-serial-number": Sought("renewal-by-stranger", 2),
    "renewal-under-another-name": Sought("renewal-other-name", 2),
    "renewal-of-a-revoked-certificate": Sought("renewal-by-revoked", 3, in_tests=True),
    "renewal-by-pkcs-req-of-a-stranger": Sought("challenge-required", 2),
    "renewal-gives-the-old-certificate": Sought("own-key", 2),
    # issued certificates
    "serial-always-the-same": Sought("serial-once", 2),
    "serial-of-the-second": Sought("serial-once", 2, in_tests=True),
    "subject-of-its-own": Sought("own-subject", 1),
    "key-of-its-own": Sought("own-key", 1),
    # replies
    "recipient-nonce-zero": Sought("own-nonce", 1),
    "recipient-nonce-left-out-of-failures": Sought("own-nonce", 1),
    "transaction-id-in-lower-case": Sought("own-transaction", 1),
    "enveloped-to-itself": Sought("own-eyes", 1),
    "certificate-in-clear": Sought("own-eyes", 1),
    # transactions
    "transaction-taken-over": Sought("transaction-taken", 2, in_tests=True),
    "two-certificates-for-one-request": Sought("one-certificate", 2),
    "each-poll-issues-anew": Sought("one-certificate", 2, in_tests=True),
    "poll-of-a-stranger": Sought("poll-by-stranger", 2),
    "unknown-poll-is-pending": Sought("poll-unknown", 1),
    "poll-reply-of-another-transaction": Sought("own-transaction", 1),
    "poll-reply-with-the-first-nonce": Sought("own-nonce", 2),
    "poll-is-approval": Sought("waits-for-operator", 2, "approval", in_tests=True),
    "second-request-is-approval": Sought("waits-for-operator", 2, "approval"),
    "pending-with-the-certificate": Sought("waits-for-operator", 1, "approval"),
    "pending-for-ever": Sought("approved-is-granted", 3, "approval", in_tests=True),
    "rejection-kept-from-the-client": Sought("rejected-stays-rejected", 3, "approval"),
    # GetCert and GetCRL
    "get-cert-gives-the-newest": Sought("lookup-found", 3),
    "get-cert-of-nothing-succeeds": Sought("lookup-nothing", 2),
    "get-cert-is-pending": Sought("lookup-at-once", 2),
    "get-crl-gives-a-certificate": Sought("lookup-crl", 2),
    "crl-without-what-is-revoked": Sought("lookup-revoked", 3, in_tests=True),
}
"""The servers that decide wrongly about the rules."""
NOT_SOUGHT = {
    "challenge-in-any-case": "the search does not change the case of the challenge password",
    "challenge-trimmed": "the search adds no blanks to the challenge password",
    "challenge-anywhere-in-the-csr": "each request of the search has at most one challenge password",
    "challenge-told-to-who-asks": "it is a matter of one reply, which `conform` reads",
    "renewal-with-more-names": "the search requests no alternative names",
    "renewal-by-enclosed-certificate": "the search encloses no further certificates",
    "renewal-of-an-expired-certificate": "the search does not wait until a certificate expires",
    "only-the-ca-in-the-reply": "it is a matter of one reply, which `conform` reads",
}
"""Servers with a defect close to the rules that the search does not look for, and why."""
