"""Values of profiles that are set for one run, profiles as files of one's own, and what NDES and step-ca do."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.errors import DocumentError
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.vocabulary import NDES_MESSAGE, NDES_RESULT, hresult_text
from mfp_sim.shared.simtime import Entropy, FrozenClock, PooledKeys
from mock_scep_server.cli import _parser, main
from mock_scep_server.cli_serving import _setup
from mock_scep_server.profiles.registry import PROFILES, VALUES
from mock_scep_server.script_file import script_of
from mock_scep_server.service import make_service
from mock_scep_server.setup import VALUE_KEYS, read_ca

BY_POLICY = {"serials", "minimum_rsa"}


def _service(*options: str):
    setup = _setup(_parser().parse_args(options))
    clock, entropy = FrozenClock(datetime(2026, 3, 2, 12, tzinfo=timezone.utc)), Entropy(1)
    return make_service(setup, clock=clock, entropy=entropy, keys=PooledKeys(entropy, side=1), zone=ZoneInfo("UTC"))


def _other(name: str) -> object:
    """A value that some profile has, and ``rfc8894`` has not."""
    values = [profile.values()[name] for profile in PROFILES.values()]
    rest = {"server_message": "Issued", "ca_key_usage": ["keyCertSign"], "transport_parameters": "absent"}
    found = next((value for value in values if value != PROFILES["rfc8894"].values()[name]), rest.get(name))
    assert found is not None, name
    return "allow" if found is None else list(found) if isinstance(found, tuple) else found


@pytest.mark.parametrize("name", [name for name in VALUES if name not in BY_POLICY])
def test_every_value_can_be_set(name: str) -> None:
    value = _other(name)
    profile = _service("--set", f"{name}={json.dumps(value)}").profile
    found = profile.values()[name]
    assert (list(found) if isinstance(found, tuple) else found) == value or name == "ra"
    assert name != "ra" or len(_service("--set", f"ra={value}").authority.certificates) > 1


def test_values_that_a_policy_has_too_are_the_policys() -> None:
    service = _service("--set", "serials=sequential", "--set", "minimum_rsa=4096")
    assert (service.policy.serials, service.policy.minimum_rsa) == ("sequential", 4096)
    assert set(VALUES) - set(VALUE_KEYS) - {"ra", "empty_content", "challenge"} == BY_POLICY


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{reply_digest: sha3}", "rules:1:16: "),
        ("{message_types: [99]}", "message_types has to be from 17 to 22, not 99"),
        ("{ca_key_usage: [signs]}", "rules:1:17: "),
        ("{hresult: E_FAIL}", "hresult has to be a decimal number, or empty, not 'E_FAIL'"),
        ('{server: "a\\r\\nSet-Cookie: b"}', "server has to be printable ASCII text, not"),
        ("{failure_status: [bad]}", "rules:1:19: "),
        ("{reply_diget: sha1}", "did you mean 'reply_digest'?"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(text: str, told: str) -> None:
    problems = Problems()
    read_ca(load_text(text, "rules"), problems)
    with pytest.raises(DocumentError) as caught:
        problems.raise_if_any()
    assert told in str(caught.value)


def test_a_profile_of_ones_own(tmp_path: Path, capsys) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "format: 1\nname: mine\nbase: ndes-2016\nsummary: as ours is\nvalues:\n"
        "  server_message: {value: Taken, source: our server, by: run}\n"
    )
    service = _service("--profile", str(file), "--set", "reply_digest=sha256", "--caps", "+SHA-384")
    assert (service.profile.name, service.profile.server_message, service.profile.reply_digest) == (
        "mine", "Taken", "sha256",
    )  # fmt: skip
    assert service.profile.capabilities == (*PROFILES["ndes-2016"].capabilities, "SHA-384")
    file.write_text("format: 1\nname: mine\nsummary: as ours is\nvalues: {signing_tine: {}}\n")
    assert main(["--port", "0", "--profile", str(file)]) == 2
    assert f"{file}:4:10: " in capsys.readouterr().err
    assert main(["--port", "0", "--profile", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_step_ca_without_a_challenge_refuses_any(make_ca, make_client) -> None:
    ca = make_ca(profile="step-ca", challenge=None)
    client = make_client(ca)
    refused = client.enrol("s3cret")
    assert refused.words == "badRequest: no challenge password is configured, but the request has one"
    assert client.enrol(None).words == "SUCCESS"
    assert make_client(make_ca(challenge=None)).enrol("s3cret").words == "SUCCESS"


def test_ndes_puts_no_certificate_outside_and_says_issued(make_ca, make_client) -> None:
    ca = make_ca(profile="ndes-2016", ra="split")
    reply = make_client(ca).enrol()
    message = reply.message
    assert (reply.words, message.certificates, message.signing_time) == ("SUCCESS", (), None)
    assert message.signed_data.attributes[NDES_MESSAGE][0].to_text() == "Issued"
    assert message.describe()["serverMessage"] == "Issued"
    assert NDES_RESULT not in message.signed_data.attributes


@pytest.mark.parametrize("profile", ["lenient", "mitm"])
def test_lenient_sends_signing_time_in_every_reply(make_ca, make_client, profile: str) -> None:
    ca = make_ca("{approval: manual}", profile=profile)
    client = make_client(ca)
    assert client.enrol().message.signing_time == ca.clock.now()
    assert client.poll().message.signing_time == ca.clock.now()
    ca.service.operator.reject()
    ca.pass_time(minutes=1)
    refused = client.poll().message
    assert (refused.fail_info, refused.signing_time) == (2, ca.clock.now())


@pytest.mark.parametrize("written", ["0x80070005", "2147942405", "-2147024891", "E_ACCESSDENIED"])
def test_a_rule_sets_hresult_and_text_and_both_are_read_by_name(make_ca, make_client, written: str) -> None:
    rules = f"[{{when: {{nth: 1}}, then: {{failure: 2, text: no template, hresult: {written}}}}}]"
    ca = make_ca(profile="ndes-2016", ra="split", script=rules)
    client = make_client(ca)
    message = client.enrol().message
    assert message.signed_data.attributes[NDES_RESULT][0].to_text() == "-2147024891"
    told = message.describe()
    assert (told["HRESULT"], told["failInfoText"]) == ("0x80070005 E_ACCESSDENIED", "no template")
    texts = [leaf.text for leaf in leaves(message.octets) if leaf.path.endswith("HRESULT (NDES)")]
    assert texts == ["PrintableString '-2147024891' (0x80070005 E_ACCESSDENIED)"]
    plain = client.enrol("wrong").message
    assert (plain.describe()["HRESULT"], plain.fail_info_text) == ("0x80070057 E_INVALIDARG", None)


@pytest.mark.parametrize("written", ["E_ACESSDENIED", "4294967296", "-2147483649", "1.5", "true"])
def test_what_is_no_hresult_does_not_load(written: str) -> None:
    with pytest.raises(DocumentError, match="rules:1:31: hresult has to be a 32-bit number"):
        script_of(f"[{{then: {{failure: 2, hresult: {written}}}}}]", "rules")


@pytest.mark.parametrize(
    ("decimal", "text"),
    [("-2147024809", "0x80070057 E_INVALIDARG"), ("1", "0x00000001"), ("x", "x"), ("9" * 12, "9" * 12), ("-", "-")],
)
def test_an_hresult_in_words(decimal: str, text: str) -> None:
    assert hresult_text(decimal) == text
