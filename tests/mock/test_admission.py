"""Each rule of admission at its edge: challenge, renewal, names that are taken; and each challenge policy by itself."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.certificate import Extension
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.vocabulary import SUBJECT_ALT_NAME, MessageType
from mfp_sim.shared.simtime import Entropy, PooledKeys
from mock_scep_server.admission import Admission, _same_identity
from mock_scep_server.challenges import (
    AskFirst,
    CacheFull,
    ChallengePolicy,
    CommandChallenge,
    OneTimeChallenges,
    OpenEnrolment,
    StaticChallenge,
    SubjectChallenges,
    Unhurried,
)
from mock_scep_server.orders import Orders

RENEW, OLD_WAY = MessageType.RENEWAL_REQ, MessageType.PKCS_REQ
NOW = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
REQUIRED = "a challenge password is required"
WRONG = "the challenge password is wrong"
NEEDS_OURS = "badRequest: a RenewalReq must be signed with a certificate of this CA"


@pytest.fixture
def csr(make_ca, make_client) -> Csr:
    """Of CN=printer-1.example, with the challenge s3cret."""
    return Csr.from_der(make_client(make_ca()).csr(sans=("a.example", "b.example")))


# --- challenges -------------------------------------------------------------------------------------------


def test_every_policy_says_whether_it_looks() -> None:
    wanted: list[type[ChallengePolicy]] = [
        StaticChallenge,
        SubjectChallenges,
        OneTimeChallenges,
        CommandChallenge,
        Unhurried,
    ]
    assert [policy.wanted for policy in wanted] == [True] * 5
    assert not OpenEnrolment.wanted


def test_no_challenge_lets_everybody_in(csr: Csr) -> None:
    assert OpenEnrolment().check(csr, NOW) is None
    assert OpenEnrolment().check(replace(csr, challenge=None), NOW) is None


@pytest.mark.parametrize("policy", [StaticChallenge("s3cret"), SubjectChallenges({"CN=printer-?.*": "s3cret"})])
def test_a_password_is_compared_whole(csr: Csr, policy) -> None:
    assert policy.check(csr, NOW) is None
    assert policy.check(replace(csr, challenge=None), NOW) == REQUIRED
    for length in range(6):
        assert policy.check(replace(csr, challenge="s3cret"[:length]), NOW) == WRONG
    for other in ("s3crets", "S3cret", "s3cre\ud800", "\ud800"):
        assert policy.check(replace(csr, challenge=other), NOW) == WRONG


def test_the_first_pattern_of_a_subject_counts(csr: Csr) -> None:
    policy = SubjectChallenges({"CN=printer-1*": "s3cret", "CN=*": "other"})
    assert policy.check(csr, NOW) is None
    assert policy.check(replace(csr, challenge="other"), NOW) == WRONG
    assert SubjectChallenges({"CN=printer-2*": "s3cret"}).check(csr, NOW) == (
        "there is no challenge password for this subject"
    )
    assert SubjectChallenges({"cn=PRINTER*": "s3cret"}).check(csr, NOW) is not None, "patterns tell letters apart"


def test_a_one_time_password_has_16_digits_a_lifetime_and_a_place(csr: Csr) -> None:
    policy = OneTimeChallenges(Entropy(1))
    assert (policy.lifetime, policy.cache) == (timedelta(minutes=60), 5)
    given = [policy.give(NOW) for _ in range(5)]
    assert all(len(text) == 16 and set(text) <= set("0123456789ABCDEF") for text in given)
    assert len(set(given)) == 5
    assert given == [OneTimeChallenges(Entropy(1)).give(NOW), *given[1:]]
    assert policy.outstanding(NOW) == 5
    with pytest.raises(CacheFull) as full:
        policy.give(NOW)
    assert str(full.value) == "5 challenge passwords are outstanding (use one, or wait until one has expired)"
    assert policy.check(replace(csr, challenge=given[0]), NOW) is None
    assert policy.outstanding(NOW) == 4
    assert policy.give(NOW, secret="mine") == "mine"
    with pytest.raises(CacheFull):
        policy.give(NOW)
    assert policy.outstanding(NOW + timedelta(minutes=60)) == 0
    assert policy.outstanding(NOW + timedelta(minutes=60, seconds=-1)) == 5
    assert policy.give(NOW + timedelta(minutes=60))


def test_a_one_time_password_says_why_it_is_not_good(csr: Csr) -> None:
    policy = OneTimeChallenges(Entropy(1), lifetime=timedelta(minutes=10))
    good = replace(csr, challenge=policy.give(NOW, "CN=printer-1*"))
    foreign = replace(csr, challenge=policy.give(NOW, "CN=printer-2*"))
    assert policy.check(replace(csr, challenge=None), NOW) == REQUIRED
    assert policy.check(csr, NOW) == WRONG
    assert policy.check(foreign, NOW) == "the challenge password is for another subject"
    assert policy.outstanding(NOW) == 2, "a refused request uses nothing up"
    end = NOW + timedelta(minutes=10)
    assert policy.check(good, end) == "the challenge password expired at 2026-03-02T12:10:00Z"
    assert policy.check(good, end - timedelta(seconds=1)) is None
    assert policy.check(good, NOW) == "the challenge password has already been used"


def test_what_expired_long_ago_is_forgotten_and_not_before(csr: Csr) -> None:
    policy = OneTimeChallenges(Entropy(1), lifetime=timedelta(minutes=10))
    old = replace(csr, challenge=policy.give(NOW))
    policy.give(NOW + timedelta(minutes=20, seconds=-1))
    assert policy.check(old, NOW + timedelta(minutes=20)) == "the challenge password expired at 2026-03-02T12:10:00Z"
    policy.give(NOW + timedelta(minutes=20))
    assert policy.check(old, NOW + timedelta(minutes=20)) == WRONG


def _command(program: str, **rest: float) -> CommandChallenge:
    return CommandChallenge([sys.executable, "-c", program], **rest)


def test_a_command_gets_subject_challenge_and_names(csr: Csr) -> None:
    program = (
        "import json, sys\n"
        "asked = json.load(sys.stdin)\n"
        f"right = {{'subject': 'CN=printer-1.example', 'challenge': 's3cret', 'sans': {list(csr.sans)}}}\n"
        "sys.exit(0 if asked == right else 3)"
    )
    assert csr.sans
    assert _command(program).check(csr, NOW) is None
    assert _command(program).check(replace(csr, challenge="other"), NOW) == (
        "the challenge command refused (exit code 3)"
    )
    assert _command("import sys; sys.exit(1)").check(csr, NOW) == "the challenge command refused (exit code 1)"


def test_a_command_writes_to_nobody_and_has_a_time(csr: Csr, capfd: pytest.CaptureFixture[str]) -> None:
    assert _command("import sys; print('out'); print('err', file=sys.stderr)").check(csr, NOW) is None
    assert capfd.readouterr() == ("", "")
    slow = _command("import sys; sys.stdin.read(); sys.stdin.close(); import signal; signal.pause()", seconds=0.5)
    assert slow.check(csr, NOW) == "the challenge command did not answer within 0.5 s"
    assert CommandChallenge(["/no/such/command"]).check(csr, NOW) == (
        "the challenge command cannot be run: No such file or directory"
    )
    assert CommandChallenge(["x"])._seconds == 10.0


def test_a_command_behind_a_lock_is_asked_outside_once_for_each_decision(csr: Csr) -> None:
    class Counted(CommandChallenge):
        asked = 0

        def check(self, csr: Csr, now: datetime) -> str | None:
            self.asked += 1
            return "no" if csr.challenge == "other" else None

    command = Counted([])
    policy = Unhurried(command)
    other = replace(csr, challenge="other", der=b"other")
    for asked, answer in ((csr, None), (other, "no")):
        with pytest.raises(AskFirst) as first:
            policy.check(asked, NOW)
        assert str(first.value) == "the challenge command has to run first"
        first.value.ask()
        assert policy.check(asked, NOW) == answer
        assert policy.check(asked, NOW) == answer
        first.value.forget()
        with pytest.raises(AskFirst):
            policy.check(asked, NOW)
    assert command.asked == 2


# --- admission --------------------------------------------------------------------------------------------


def _holder(ca, make_client, **rest):
    client = make_client(ca)
    assert client.enrol(**rest).words == "SUCCESS"
    return client, client.renewed()


def test_a_certificate_vouches_from_its_first_second_to_its_last(make_ca, make_client) -> None:
    ca = make_ca("{validity: 30d}")
    first, again = _holder(ca, make_client)
    begins, ends = first.certificate.not_before, first.certificate.not_after
    expired = f"the certificate expired at {ends:%Y-%m-%dT%H:%M:%SZ}"
    told = {}
    for instant in (begins - timedelta(seconds=1), begins, ends, ends + timedelta(seconds=1)):
        admission = Admission(replace(ca.service.parts, clock=_At(instant)), Orders())
        refusal = admission._unfit(first.certificate)
        told[instant] = None if refusal is None else f"{refusal.fail_info.label}: {refusal.text}"
    assert list(told.values()) == ["badRequest: the certificate is not valid yet", None, None, f"badRequest: {expired}"]
    assert again.signer.der == first.certificate.der


class _At:
    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant


@pytest.mark.parametrize("kind", [RENEW, OLD_WAY])
def test_the_window_is_told_and_opens_at_its_instant(make_ca, make_client, kind) -> None:
    ca = make_ca("{validity: 30d, renewal_window: 10d}")
    first, again = _holder(ca, make_client)
    opens = first.certificate.not_after - timedelta(days=10)
    refused = f"badRequest: renewal is not permitted until {opens:%Y-%m-%dT%H:%M:%SZ}"
    assert again.enrol(None, kind=kind).words == refused
    assert again.enrol("s3cret", kind=kind).words == refused, "the challenge does not make it earlier"
    ca.clock.move_to(opens - timedelta(seconds=1))
    assert again.enrol(None, kind=kind).words == refused
    ca.clock.move_to(opens)
    assert again.enrol(None, kind=kind).words == "SUCCESS"


def test_who_has_no_certificate_of_ours_renews_nothing(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    assert client.enrol(kind=RENEW).words == NEEDS_OURS
    assert client.enrol(None, kind=RENEW).words == NEEDS_OURS
    unchecked = make_client(make_ca(renewal_signer="unchecked"))
    assert unchecked.enrol(None, kind=RENEW).words == f"badRequest: {REQUIRED}"
    assert unchecked.enrol(kind=RENEW).words == "SUCCESS"


def test_an_expired_certificate_is_looked_at_unless_signers_are_unchecked(make_ca, make_client) -> None:
    for signer, words in (
        ("checked", "badRequest: the certificate expired at "),
        ("unchecked", "badRequest: " + REQUIRED),
    ):
        ca = make_ca("{validity: 30d}", **({} if signer == "checked" else {"renewal_signer": signer}))
        _, again = _holder(ca, make_client)
        ca.pass_time(days=31)
        assert again.enrol(None, kind=RENEW).words.startswith(words)


@pytest.mark.parametrize("kind", [RENEW, OLD_WAY])
def test_a_renewal_for_another_name_needs_the_challenge(make_ca, make_client, kind) -> None:
    ca = make_ca()
    _, again = _holder(ca, make_client, sans=("a.example",))
    assert again.enrol(None, kind=kind, sans=("a.example", "b.example")).words == f"badRequest: {REQUIRED}"
    assert again.enrol("s3cre", kind=kind, sans=("b.example",)).words == f"badRequest: {WRONG}"
    assert again.enrol(None, kind=kind, sans=("a.example",)).words == "SUCCESS"
    _, other = _holder(ca, lambda ca: make_client(ca, "printer-2.example", 2), sans=("c.example",))
    assert other.enrol(None, kind=kind).words == "SUCCESS", "less than the certificate names is no other identity"


def test_an_unasked_challenge_is_refused_where_the_profile_says_so(make_ca, make_client) -> None:
    unasked = "badRequest: no challenge password is configured, but the request has one"
    for challenge, unasked_is, sent, words in (
        (None, "refused", "s3cret", unasked),
        (None, "refused", None, "SUCCESS"),
        (None, "allowed", "s3cret", "SUCCESS"),
        ("s3cret", "refused", "s3cret", "SUCCESS"),
        ("s3cret", "refused", "other", f"badRequest: {WRONG}"),
    ):
        changes = {"unasked_challenge": "refused"} if unasked_is == "refused" else {}
        assert make_client(make_ca(challenge=challenge, **changes)).enrol(sent).words == words


def test_an_ignored_challenge_is_not_looked_at(make_ca, make_client) -> None:
    for sent in ("other", None, "s3cret"):
        assert make_client(make_ca()).enrol(sent).words == (
            "SUCCESS" if sent == "s3cret" else f"badRequest: {REQUIRED if sent is None else WRONG}"
        )
    ca = make_ca(profile="mitm")
    assert make_client(ca).enrol("other").words == "SUCCESS"


@pytest.mark.parametrize("by", ["policy", "profile"])
def test_a_name_is_free_again_within_the_window(make_ca, make_client, by: str) -> None:
    window = timedelta(days=10)
    ca = (
        make_ca("{validity: 30d, duplicate_subject: {before_expiry: 10d}}")
        if by == "policy"
        else make_ca("{validity: 30d}", duplicates=window)
    )
    first = make_client(ca)
    assert first.enrol().words == "SUCCESS"
    taken = "badRequest: CN=printer-1.example already has a certificate"
    opens = first.certificate.not_after - window
    ca.clock.move_to(opens - timedelta(seconds=1))
    assert make_client(ca, number=2).enrol().words == taken
    assert make_client(ca, "printer-2.example", 3).enrol().words == "SUCCESS"
    renewed = first.renewed()
    assert renewed.enrol(None, kind=RENEW).words == "SUCCESS", "who renews may have the name"
    ca.service.operator.revoke("CN=printer-1.example")
    assert make_client(ca, number=4).enrol().words == "SUCCESS", "what is revoked takes no name"


def test_a_name_is_free_from_the_windows_first_second(make_ca, make_client) -> None:
    ca = make_ca("{validity: 30d}", duplicates=timedelta(days=10))
    first = make_client(ca)
    first.enrol()
    ca.clock.move_to(first.certificate.not_after - timedelta(days=10))
    assert make_client(ca, number=2).enrol().words == "SUCCESS"


@pytest.mark.parametrize("kind", [RENEW, OLD_WAY])
def test_a_certificate_of_ones_own_with_a_serial_number_of_ours_renews_nothing(make_ca, make_client, kind) -> None:
    ca = make_ca()
    _, thief = _holder(ca, make_client)
    now = ca.clock.now()
    thief.signer_key = thief.key
    thief.signer = x509.self_signed(
        thief.key, subject=thief.subject, serial=thief.signer.serial, not_before=now, not_after=now + timedelta(days=9)
    )
    assert thief.enrol(None, kind=kind).words == (NEEDS_OURS if kind == RENEW else f"badRequest: {REQUIRED}")
    assert ca.minted == 1


def test_names_that_cannot_be_read_are_another_identity(csr: Csr) -> None:
    key = PooledKeys(Entropy(1), side=0).rsa(2048)
    own = x509.self_signed(key, subject=csr.subject, serial=1, not_before=NOW, not_after=NOW + timedelta(days=9))
    assert _same_identity(replace(csr, extensions={}), own)
    assert not _same_identity(csr, own)
    unreadable = replace(csr, extensions={SUBJECT_ALT_NAME: Extension(False, b"\x30\x02\x30")})
    with pytest.raises(DecodeError):
        _ = unreadable.sans
    assert not _same_identity(unreadable, own)
    assert not _same_identity(replace(csr, extensions={}, subject=x509.name(("CN", "other"))), own)
