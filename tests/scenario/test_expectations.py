"""Each field of ``expect``: a right value passes, a wrong one fails with expected and got, an empty one does not load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mfp_sim.scenario.expectations import EXPECTATIONS
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.premises import Failure
from mfp_sim.scenario.runner import run
from mfp_sim.scenario.shapes import SOMETHING
from mfp_sim.shared.documents.kinds import Either, Kind
from mfp_sim.shared.documents.records import Forms, ListOf, MapOf, Record, kind_of
from mfp_sim.shared.errors import DocumentError
from mfp_sim.shared.redaction import MASK

HEAD = """\
format: 1
name: looked-at
why: Something is looked at.
clock: 2026-03-02T08:00:00+01:00
printer:
  functions: [TLS, IPSec, IEEE 802.1X]
  policies: [hq, branch]
  communication: {url: http://ca.example/scep}
ca: {challenge: {static: s3cret}}
steps:
"""
STEPS = """\
  - request: {name: hq1, common_name: 192.0.2.10, challenge: s3cret, use: IPSec, policy: hq}
  - restart
  - auto_request: {start: 2026-03-03 09:00, key: {name: dot1x, common_name: 192.0.2.10, challenge: s3cret}}
"""
PLACE = 14


@dataclass(frozen=True)
class Row:
    """A right value, a wrong one, and what is told of that: path, expected, got."""

    right: str
    wrong: str
    path: str
    expected: str
    got: str


ROWS = {
    "status": Row("{state: to-be-processed, time: 2026-03-03 09:00, key: dot1x, method: automatic, details: none}",
                  "{state: error}", "status.state", "error", "to-be-processed"),
    "statuses": Row("[{state: to-be-processed}, {state: successful, time: '2026-03-02 08:00:00'}]",
                    "[{state: to-be-processed}]", "statuses", "1 rows", "2: to-be-processed, successful"),
    "history": Row("{count: 1, successful: 1, error: 0}", "{count: 2}", "history.count", "2", "1"),
    "keys": Row("[{name: hq1, use: IPSec, policy: hq, assigned: true, certificate: {fits_key: true, organization: null}}]",
                "[{name: hq2}]", "keys[0].name", "hq2", "hq1"),
    "key_count": Row("2", "1", "key_count", "1", "2"),
    "requests": Row("[GetCACaps, GetCACert, PKCSReq]", "[GetCACert, GetCACaps, PKCSReq]", "requests",
                    "['GetCACert', 'GetCACaps', 'PKCSReq']", "['GetCACaps', 'GetCACert', 'PKCSReq']"),
    "request_count": Row("{PKCSReq: 1, CertPoll: 0}", "{CertPoll: 1}", "request_count.CertPoll", "1", "0"),
    "messages_at": Row("[2026-03-02 08:00]", "['2026-03-02 08:00:01']", "messages_at",
                       "['2026-03-02 08:00:01']", "['2026-03-02 08:00:00']"),
    "sent_at": Row("{GetCACaps: [2026-03-02 08:00+01:00], CertPoll: []}", "{GetCACert: []}", "sent_at.GetCACert",
                   "[]", "['2026-03-02 08:00:00']"),
    "transactions": Row("1", "0", "transactions", "0", "1"),
    "ledger": Row("{minted: 1, delivered: 1, installed: 1, orphaned: 0, keys: 1}", "{orphaned: 1}", "ledger.orphaned", "1", "0"),
    "next_request": Row("2026-03-03 09:00", "none", "next_request", "none", "2026-03-03 09:00"),
    "next_request_within": Row("{from: '2026-03-03 09:00:00', to: '2026-03-03 09:00:00'}",
                               "{from: '2026-03-03 09:00:01', to: '2026-03-03 10:00:00'}", "next_request_within",
                               "from 2026-03-03 09:00:01 to 2026-03-03 10:00:00", "2026-03-03 09:00:00"),
    "functions": Row("{IPSec/hq: hq1, IPSec/branch: without-key, IPSec: hq1, TLS: Default Key, IEEE 802.1X: without-key}",
                     "{IEEE 802.1X: off}", "functions.IEEE 802.1X", "off", "without-key"),
    "audit": Row("[certificate registered]", "[key deleted]", "audit[0]", "an entry with 'key deleted'", "start OK"),
    "audit_entries": Row("{holding: registered, are: [{text: hq1, time: '2026-03-02 08:00:00'}]}",
                         "{holding: registered, are: []}", "audit_entries.are", "0 entries", "1, at the end"),
    "audit_lacks": Row("[key deleted]", "[registered]", "audit_lacks[0]", "no entry with 'registered'", "registered"),
    "powered": Row("true", "false", "powered", "False", "True"),
    "communication": Row("{port: 80, timeout: 30}", "{port: 81}", "communication.port", "81", "80"),
    "auto_request": Row("{timer: true, key: dot1x}", "{timer: false}", "auto_request.timer", "False", "True"),
    "wire": Row("{operation: PKCSReq, method: POST}", "{method: GET}", "wire.method", "GET", "POST"),
    "csr": Row("{subject: CN=192.0.2.10, challenge: present}", "{challenge: absent}", "csr.challenge", "absent", "present"),
    "sound": Row("true", "false", "sound", "False", "the state is sound"),
    "bundle_report": Row("[]", "[communication settings]", "bundle_report", "['communication settings']", "[]"),
    "advice": Row("[]", "[other]", "advice", "['other']", "[]"),
    "model": Row("{name: canon-ir-adv-dx}", "{name: canon-legacy}", "model.name", "canon-legacy", "canon-ir-adv-dx"),
    "settings_lack": Row("[other]", "[s3cret]", "settings_lack[0]", "no setting with '********'", "a setting contains it"),
    "storage_lacks": Row("[other]", "[s3cret]", "storage_lacks[0]", "nothing stored with '********'", "it is stored"),
    "menu": Row("{path: [Settings/Registration]}", "{path: [Nowhere]}", "menu.path", "Nowhere", "only"),
    "waiting": Row("[]", "[CN=x]", "waiting", "['CN=x']", "[]"),
    "orphans": Row("[]", "[reset]", "orphans", "['reset']", "[]"),
}  # fmt: skip


def scenario(field: str, value: str, steps: str = STEPS):
    (found,) = read_text(f"{HEAD}{steps}  - expect: {{{field}: {value}}}\n", "x.yaml")
    return found


def test_each_field_has_a_row() -> None:
    assert ROWS.keys() == EXPECTATIONS.keys() - {"always"}, "test_always.py has that one: it fails only with a bug"


@pytest.mark.parametrize("field", ROWS)
def test_a_right_value_passes(field: str) -> None:
    assert run(scenario(field, ROWS[field].right)).failures == ()


@pytest.mark.parametrize("field", ROWS)
def test_a_wrong_value_fails_with_place_expected_and_got(field: str) -> None:
    row = ROWS[field]
    result = run(scenario(field, row.wrong))
    (failure,) = result.failures
    assert failure.place.startswith(f"x.yaml:{PLACE}:")
    assert (failure.path, result.redactor.text(failure.expected)) == (row.path, row.expected)
    assert row.got in failure.got


@pytest.mark.parametrize("empty", ["{}", "[]", '""', "null"])
@pytest.mark.parametrize("field", ROWS)
def test_an_empty_value_does_not_load_unless_it_asserts_something(field: str, empty: str) -> None:
    if empty == "[]" and "" in EXPECTATIONS[field].empty:
        scenario(field, empty)
        return
    with pytest.raises(DocumentError) as caught:
        scenario(field, empty)
    assert all(str(problem).startswith(f"x.yaml:{PLACE}:") for problem in caught.value.problems)
    assert caught.value.problems


def inner(kind: Any) -> Iterator[Kind]:
    """A kind and all that it is made of."""
    yield kind
    parts = {
        Either: lambda: [kind.inner], ListOf: lambda: [kind.entry], MapOf: lambda: [kind.key, kind.value],
        Forms: lambda: kind.forms, Record: lambda: [entry.kind for entry in kind.fields],
    }  # fmt: skip
    for part in parts.get(type(kind), list)():
        yield from inner(part)


@pytest.mark.parametrize("field", EXPECTATIONS)
def test_what_may_be_empty_says_what_that_means(field: str) -> None:
    found = list(inner(EXPECTATIONS[field].shape))
    assert [kind for kind in found if isinstance(kind, ListOf | MapOf) and not (kind.low or kind.says)] == []
    assert [kind for kind in found if isinstance(kind, Either) and kind.word.word is None and not kind.word.says] == []
    assert [kind for kind in found if kind == kind_of(str)] == [], "text that may be empty has no expectation"
    partial = [kind for kind in found if isinstance(kind, Record) and not kind.required]
    assert [kind.name for kind in partial if SOMETHING not in kind.constraints] == []


EMPTY_PARTS = [
    ("statuses", "[{}]", "an entry of statuses has no expectation (add"),
    ("keys", "[{}]", "a key has no expectation (add"),
    ("keys", "[{certificate: {}}]", "certificate has no expectation (add"),
    ("keys", '[{name: ""}]', "name is empty (add a value"),
    ("audit", '[""]', "an entry of audit is empty (add a value"),
    ("audit", "[]", "audit is empty (add a value"),
    ("audit_lacks", '[""]', "an entry of audit_lacks is empty"),
    ("settings_lack", "[]", "settings_lack is empty"),
    ("audit_entries", "{are: [{}]}", "an entry of are has no expectation"),
    ("menu", "{path: []}", "menu has no expectation"),
    ("orphans", '[""]', "an entry of orphans is empty"),
    ("wire", "{method: null}", "method has to be one of GET, POST, not nothing"),
    ("functions", "{TSL: off}", "there is no function 'TSL' (did you mean 'TLS'?)"),
    ("functions", "{ipsec: off}", "there is no function 'ipsec' (did you mean 'IPSec'?)"),
    ("functions", "{IPSec/brunch: off}", "the printer has no policy 'brunch' (did you mean 'branch'?)"),
    ("functions", "{TLS/hq: off}", "there is no function 'TLS/hq'"),
    ("functions", "{TLS: 5}", "TLS has to be a string, not 5"),
    ("next_request", "9999-12-31 23:59", "next_request has to be in the years 1970 to 2199"),
    ("communication", "{port: eighty}", "port has to be an integer, not 'eighty'"),
    ("csr", "{length: 2k}", "length has to be an integer, not '2k'"),
    (
        "wire",
        "{operation: PKCSREQ}",
        "operation has to be one of GetCACaps, GetCACert, PKCSReq, RenewalReq, CertPoll, not",
    ),
    ("wire", "{digest: sha-256}", "digest has to be one of md5, sha1, sha256, sha384, sha512, not 'sha-256'"),
    ("status", "{key: 3}", "key has to be a string, not 3 (put it in quotes)"),
    ("status", "non", "status has to be none or {state: …, details: …, time: …, key: …, method: …}, not 'non'"),
    ("keys", "[{use: TSL}]", "use has to be one of None, TLS, IEEE 802.1X, IPSec, SIP, Device Signature, not 'TSL'"),
    (
        "keys",
        "[{certificate: {validity: vlaid}}]",
        "validity has to be one of valid, expired, not-yet-valid, not 'vlaid'",
    ),
    ("auto_request", "{start: '2026-03-02 09:00:00'}", "start has to be YYYY-MM-DD HH:MM, not '2026-03-02 09:00:00'"),
    ("auto_request", "{challenge: present}", "challenge has to be one of set, none, not the given string"),
    ("messages_at", "[soon]", "an entry of messages_at has to be YYYY-MM-DD HH:MM[:SS][+HH:MM], not 'soon'"),
]


@pytest.mark.parametrize(("field", "value", "words"), EMPTY_PARTS)
def test_a_part_that_expects_nothing_or_names_nothing_does_not_load(field: str, value: str, words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        scenario(field, value)
    assert [words in str(problem) for problem in caught.value.problems] == [True]


@pytest.mark.parametrize(
    ("field", "value", "passes"),
    [
        ("status", "{time: 2026-03-02 08:10}", True),
        ("status", "{time: '2026-03-02 08:10:29'}", True),
        ("status", "{time: '2026-03-02 08:10:30'}", False),
        ("status", "{time: 2026-03-02 08:10+01:00}", True),
        ("status", "{time: 2026-03-02 07:10+00:00}", False),
        ("messages_at", "[2026-03-02 08:00, '2026-03-02 08:10:29']", True),
        ("messages_at", "[2026-03-02 08:00, '2026-03-02 08:10:28']", False),
        ("messages_at", "['2026-03-02 08:00:00', 2026-03-02 08:10]", True),
        ("messages_at", "['2026-03-02 08:00:00']", False),
        ("sent_at", "{GetCACaps: [2026-03-02 08:00, '2026-03-02 08:10:28']}", False),
        ("audit_entries", "{holding: registered, are: [{text: a}, {text: b}]}", True),
        ("audit_entries", "{holding: registered, are: [{text: b}, {text: a}]}", False),
        ("audit_entries", "{holding: registered, are: [{text: a}]}", False),
        ("audit_entries", "{holding: registered, are: [{text: a}, {time: '2026-03-02 08:10:28'}]}", False),
    ],
)
def test_a_time_is_compared_as_precisely_as_it_is_written_and_entries_in_order(
    field: str, value: str, passes: bool
) -> None:
    request = "  - request: {name: %s, common_name: 192.0.2.10, challenge: s3cret}\n"
    steps = f"{request % 'key-a'}  - advance: 629s\n{request % 'key-b'}"
    value = value.replace("text: a}", "text: key-a}").replace("text: b}", "text: key-b}")
    assert (run(scenario(field, value, steps)).failures == ()) == passes


OFF = STEPS + "  - power_off\n"


@pytest.mark.parametrize(
    ("field", "value", "passes"),
    [
        ("sound", "true", True),
        ("keys", "[]", False),
        ("keys", "[{name: hq1}]", True),
        ("key_count", "0", False),
        ("status", "none", False),
        ("status", "{state: to-be-processed}", True),
        ("audit_lacks", "[registered]", False),
        ("settings_lack", "[s3cret]", False),
        ("storage_lacks", "[s3cret]", False),
        ("communication", "{port: 80}", True),
        ("functions", "{TLS: off, IPSec/hq: off}", True),
        ("menu", "{path: [Settings/Registration]}", False),
    ],
)
def test_a_machine_that_is_off_is_judged_by_what_is_stored(field: str, value: str, passes: bool) -> None:
    assert (run(scenario(field, value, OFF)).failures == ()) == passes


def test_what_is_stored_unsound_is_not_sound_while_the_machine_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from mfp_sim.device.keystore import KeyEntry

    monkeypatch.setattr(KeyEntry, "fits", property(lambda self: self.default))
    (failure,) = run(scenario("sound", "true", OFF)).failures
    assert failure.got == "the certificate of 'hq1' is not for its key"
    assert run(scenario("sound", "false", OFF)).failures == ()


READ_THE_TRACE = ("requests", "request_count", "messages_at", "sent_at", "transactions", "wire", "csr")
EVERY_FIELD = {
    "wire": "{operation: PKCSReq, method: POST, digest: sha256, cipher: aes-128-cbc, host: ca.example, port: 80, path: /scep}",
    "csr": "{subject: CN=192.0.2.10, signature: sha256, length: 2048, challenge: present, challenge_type: PrintableString}",
}


@pytest.mark.parametrize(
    "challenge",
    ["CACert", "PKCSReq", "sha256", "aes", "POST", "s", "present", "Printable", "192", "ca.example", "scep"],
)
def test_a_challenge_that_is_spelled_like_what_is_looked_at_changes_no_verdict(challenge: str) -> None:
    """The true values are compared; what is masked is only what is shown."""

    def failures(field: str, value: str) -> list[tuple[str, bool]]:
        text = f"{HEAD}{STEPS}".replace("s3cret", f'"{challenge}"') + f"  - expect: {{{field}: {value}}}\n"
        (read,) = read_text(text, "looked.scenario.yaml")
        return [(failure.path, failure.error) for failure in run(read).failures]

    for field in READ_THE_TRACE:
        row = ROWS[field]
        assert failures(field, EVERY_FIELD.get(field, row.right)) == []
        assert failures(field, row.wrong) == [(row.path, False)]
    for field, wrong in {"wire.host": "cb.example", "wire.path": "/other", "csr.subject": "CN=192.0.2.11"}.items():
        expectation, name = field.split(".")
        assert failures(expectation, f"{{{name}: {wrong}}}") == [(field, False)]


TWO_SECRETS = HEAD.replace("static: s3cret", "per_subject: {CN=first: first, CN=second: second}").replace(
    "http://ca.example/scep", "http://first.example/first"
)


@pytest.mark.parametrize(
    ("field", "right", "wrong", "shown"),
    [
        ("csr.subject", "CN=first", "CN=second", "CN="),
        ("csr.subject", "{matches: CN=f.*}", "{matches: CN=s.*nd}", None),
        ("csr.subject", "{one_of: [CN=x, CN=first]}", "{one_of: [CN=x, CN=second]}", None),
        ("csr.subject", "CN=first", f'"CN={MASK}"', "CN="),
        ("wire.path", "/first", "/second", "/"),
        ("wire.host", "first.example", "second.example", ""),
    ],
)
def test_two_secrets_are_not_equal_because_both_are_masked(
    field: str, right: str, wrong: str, shown: str | None
) -> None:
    def failures(value: str) -> tuple[Failure, ...]:
        name, part = field.split(".")
        (read,) = read_text(
            TWO_SECRETS.replace("printer:\n", "printer:\n  dns: true\n")
            + "  - request: {name: hq1, common_name: first, challenge: first}\n"
            + f"  - expect: {{{name}: {{{part}: {value}}}}}\n",
            "looked.scenario.yaml",
        )
        return run(read).failures

    assert failures(right) == ()
    (failure,) = failures(wrong)
    assert (failure.path, failure.error) == (field, False)
    told = failure.expected + failure.got
    assert "first" not in told.replace("one of", "")
    assert "second" not in told
    if shown is not None:
        assert failure.got.startswith(f"{shown}{MASK}")
        assert failure.got.endswith(" (different, but a secret is masked)")


def test_no_failure_shows_a_secret_that_is_looked_for() -> None:
    text = f"{HEAD}{STEPS}  - expect: {{storage_lacks: [s3cret]}}\n  - expect: {{audit: [s3cret]}}\n"
    (read,) = read_text(text)
    told = [f"{failure.path} {failure.expected} {failure.got}" for failure in run(read).failures]
    assert [line.partition(" ")[0] for line in told] == ["storage_lacks[0]", "audit[0]"]
    assert not [line for line in told if "s3cret" in line]


def test_a_subject_that_has_the_challenge_in_it_is_held_all_the_same() -> None:
    text = HEAD.replace("s3cret", "'192'") + (
        '  - ca_operator: {hold: "CN=19?.0.2.10"}\n'
        "  - request: {name: a, common_name: 192.0.2.10, challenge: '192'}\n"
        "  - expect: {waiting: [CN=192.0.2.10], status: {details: deferred}}\n"
    )
    (read,) = read_text(text)
    assert run(read).failures == ()
