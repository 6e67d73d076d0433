"""Each cause is told for the exchange that shows it, and none for one that does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from proxy_stand import Failing, ProxyStand

from mfp_sim.proxy import explaining
from mfp_sim.shared.errors import ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.http_messages import HttpRequest, Operation
from mfp_sim.shared.scep.vocabulary import MessageType

Act = Callable[[], ProxyStand]


def enrolled(script: str = "[]", **more: object) -> Act:
    """A client that begins and enrols at a mock with these rules."""
    orders = {
        name: more.pop(name) for name in ("digest", "cipher", "challenge", "signing_time", "recipient") if name in more
    }
    return lambda: ProxyStand(script=script, **more).begin().enrol(**orders)


def failing(error: Exception) -> Act:
    """A source that fails."""
    return lambda: ProxyStand(source=Failing(error)).enrol()  # type: ignore[arg-type]


def other_path() -> ProxyStand:
    stand = ProxyStand(script="[{when: {operation: GetCACert}, then: {http: 404}}]")
    stand.client.http(HttpRequest("GET", "/elsewhere?operation=GetCACert"))
    return stand


def another_key() -> ProxyStand:
    """The proxy has the keys of both ends: a stand of the same seed draws the client's again."""
    key = ProxyStand().client.key()
    script = "[{when: {type: PKCSReq}, faults: [success-wrong-key]}]"
    return ProxyStand(script=script, opened=True, more_keys=(key,)).begin().enrol()


CASES: dict[str, tuple[Act, str]] = {
    "proxy-fault": (enrolled(faults=("{http-status: 429}",)), "The proxy's own fault http-status changed the reply."),
    "unreachable": (
        failing(ConnectFailed("ca.example:80 refused the connection")),
        "could not reach the CA: ca.example",
    ),
    "no-reply": (failing(DeadlineExceeded("it did not reply within 60 s", sent=True)), "sent no reply in time: it did"),
    "lost": (failing(ConnectionLost("it closed the connection", sent=True)), "without a complete reply: it closed"),
    "not-http": (
        failing(MalformedHttp("it did not reply in HTTP", sent=True)),
        "the proxy can pass on: it did not reply",
    ),
    "other-path": (other_path, "requests the path /elsewhere, but the CA's URL has /scep: HTTP 404."),
    "login": (enrolled("[{when: {type: PKCSReq}, then: {http: 401}}]"), "requires a login: HTTP 401 to PKCSReq."),
    "redirect": (
        enrolled("[{when: {type: PKCSReq}, faults: [{http-redirect: login}]}]"),
        "The server redirects PKCSReq to /login (HTTP 302).",
    ),
    "http-error": (
        enrolled("[{when: {type: PKCSReq}, then: {http: 500}}]"),
        "The CA refused PKCSReq with HTTP 500 ('The script answers 500.').",
    ),
    "page-instead": (
        enrolled("[{when: {type: PKCSReq}, faults: [html-error-page]}]"),
        "The reply to PKCSReq is an HTML page",
    ),
    "refused": (
        enrolled("[{when: {type: PKCSReq}, then: {failure: 1, text: no}}]"),
        "The CA refused the request with failInfo badMessageCheck ('no'): the CA could not decrypt",
    ),
    "doubtful-reply": (
        enrolled("[{when: {type: PKCSReq}, faults: [nonce-mismatch]}]"),
        "The client has reason to refuse the reply: its recipientNonce is not the senderNonce of the request.",
    ),
    "certificate-for-another-key": (another_key, "contains no certificate for the key of the CSR."),
}


@pytest.mark.parametrize("slug", CASES)
def test_a_cause_is_told_where_it_shows(slug: str) -> None:
    act, sentence = CASES[slug]
    told = act().last.why
    assert told is not None
    assert sentence in told


def test_nothing_is_told_of_an_enrolment_that_is_right() -> None:
    stand = ProxyStand(opened=True).begin().enrol()
    assert [(one.name, one.why) for one in stand.session.exchanges] == [
        ("GetCACaps", None), ("GetCACert", None), ("PKCSReq", None),
    ]  # fmt: skip
    assert stand.outcomes == [("granted", None)]
    assert stand.last.client_findings == ()


# --- what is wrong with the request -----------------------------------------------------------------------

REFUSED = "[{when: {type: PKCSReq}, then: {failure: %d}}]"


def signature_wrong() -> ProxyStand:
    stand = ProxyStand(script=REFUSED % 1).begin()
    octets = bytearray(stand.client.encode(order := stand.client.order()))
    octets[-1] ^= 1
    stand.client.ask(order, octets=bytes(octets), expect_refusal=True)
    return stand


def wrong_recipient() -> ProxyStand:
    stand = ProxyStand(script=REFUSED % 1).begin()
    key = stand.client.key()
    other = stand.client.self_signed(key, x509.name(("CN", "another CA")))
    return stand.enrol(recipient=other)


def clock_behind() -> ProxyStand:
    stand = ProxyStand(script=REFUSED % 3).begin()
    return stand.enrol(signing_time=stand.bench.clock.now() - timedelta(hours=2))


def expired_signer() -> ProxyStand:
    stand = ProxyStand(script=REFUSED % 2).begin()
    order = stand.client.order()
    stand.bench.pass_time(days=3000)
    stand.client.ask(order, expect_refusal=True)
    return stand


def transaction_reused() -> ProxyStand:
    stand = ProxyStand(script="[{when: {type: PKCSReq, nth: 2}, then: {failure: 2}}]", opened=True).begin()
    return stand.enrol(transaction_id="one").enrol(transaction_id="one")


def nonce_reused() -> ProxyStand:
    stand = ProxyStand(script="[{when: {type: PKCSReq, nth: 2}, then: {failure: 1}}]").begin()
    return stand.enrol(nonce=bytes(16)).enrol(nonce=bytes(16))


def renewal_not_listed() -> ProxyStand:
    stand = ProxyStand(ca="{caps: [AES, SHA-256, POSTPKIOperation]}", opened=True,
                       script="[{when: {type: RenewalReq}, then: {failure: 2}}]").begin()  # fmt: skip
    return stand.enrol(message_type=MessageType.RENEWAL_REQ)


REQUESTS: dict[str, tuple[Act, str]] = {
    "signature-wrong": (signature_wrong, "the signature of the message does not verify"),
    "wrong-recipient": (wrong_recipient, "the envelope is for a certificate that GetCACert did not return (serial "),
    "not-listed": (
        enrolled(REFUSED % 1, ca="{caps: [AES, SHA-256, POSTPKIOperation]}", digest="sha1"),
        ": the signature uses SHA-1, which the CA does not list in GetCACaps.",
    ),
    "clock": (clock_behind, ": the client's clock is 7200 s behind (signingTime)."),
    "no-challenge": (enrolled(REFUSED % 2, opened=True, challenge=None), "the CSR has no challengePassword."),
    "transaction-reused": (transaction_reused, "the transactionID was used for another request before."),
    "nonce-reused": (nonce_reused, "the senderNonce was used before."),
    "renewal-not-listed": (renewal_not_listed, "a RenewalReq is sent to a CA that does not advertise Renewal."),
}


@pytest.mark.parametrize("slug", REQUESTS)
def test_a_refusal_is_explained_by_what_is_wrong_with_the_request(slug: str) -> None:
    act, sentence = REQUESTS[slug]
    told = act().last.why
    assert told is not None
    assert told.startswith("The CA refused the request with failInfo ")
    assert sentence in told


def test_an_expired_signer_is_a_matter_of_the_clock() -> None:
    assert "the signer's certificate is valid from" in (expired_signer().last.why or "")


def test_a_cipher_that_is_not_listed_is_one_too() -> None:
    stand = enrolled(REFUSED % 0, ca="{caps: [AES, SHA-256, POSTPKIOperation]}", cipher="des-ede3-cbc")()
    assert ": the envelope uses des-ede3-cbc, which the CA does not list" in (stand.last.why or "")


@pytest.mark.parametrize("number", range(5))
def test_a_refusal_without_a_visible_reason_says_what_its_failinfo_stands_for(number: int) -> None:
    stand = enrolled(REFUSED % number)()
    info = explaining.FailInfo(number)
    assert f"failInfo {info.label} ('refused by the script'): {explaining._STANDS_FOR[info]}." in (stand.last.why or "")


# --- stories ----------------------------------------------------------------------------------------------

PENDING = "[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: pending, optional: true}]"


def gave_up() -> ProxyStand:
    stand = ProxyStand(script=PENDING).begin().enrol()
    order = stand.client.answers[-1].order
    for _ in range(3):
        stand.client.ask(stand.client.poll(order))
    return stand


def broke_off() -> ProxyStand:
    stand = ProxyStand(script="[{when: {type: PKCSReq}, then: pending}]").begin().enrol()
    stand.session.told(stand.last.number, cut=True)
    return stand


STORIES: dict[str, tuple[Act, str, str]] = {
    "client-broke-off": (broke_off, "pending", "The client closed the connection before the reply arrived"),
    "pending-never-polled": (enrolled(PENDING), "pending", "The CA replied PENDING, but the client never polled."),
    "gave-up-pending": (gave_up, "pending", "The client polled 3 times and stopped while the CA still replied PENDING."),
    "never-asked-getcacert": (
        lambda: ProxyStand(script=REFUSED % 1).enrol(), "refused", "The client did not send GetCACert before its request",
    ),
}  # fmt: skip


@pytest.mark.parametrize("slug", STORIES)
def test_a_transaction_has_its_story(slug: str) -> None:
    act, outcome, sentence = STORIES[slug]
    ((came, why),) = act().outcomes
    assert came == outcome
    assert why is not None
    assert sentence in why


@pytest.mark.parametrize(
    ("operations", "sentence"),
    [
        ([Operation.GET_CA_CAPS], "The client stopped after GetCACaps: "),
        ([Operation.GET_CA_CAPS, Operation.GET_CA_CERT], "The client stopped after GetCACert: it did not accept"),
    ],
)
def test_a_client_that_asks_for_nothing_has_one_too(operations: list[Operation], sentence: str) -> None:
    stand = ProxyStand()
    for operation in operations:
        stand.client.get(operation)
    assert stand.session.enrolments() == ()
    assert any(sentence in line for line in stand.session.summary())
    assert stand.session.failed


def test_every_cause_has_its_case() -> None:
    """A row of a table without a case is a sentence that nobody has seen come true."""
    assert {slug for slug, _ in explaining.CAUSES} == set(CASES)
    assert {cause.slug for cause in explaining.REQUEST_CAUSES} == set(REQUESTS)
    assert {slug for slug, _ in explaining.STORIES} == set(STORIES)


def test_an_algorithm_by_which_something_was_granted_is_no_reason() -> None:
    script = "[{when: {type: PKCSReq, nth: 2}, then: {failure: 0}}]"
    stand = ProxyStand(ca="{caps: [AES, SHA-256, POSTPKIOperation]}", script=script).begin()
    stand.enrol(digest="sha1").enrol(digest="sha1")
    assert "an algorithm of the request is not supported." in (stand.last.why or "")
