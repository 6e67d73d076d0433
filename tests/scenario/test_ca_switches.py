"""``ca.caps`` and ``ca.empty_content``: the two values that every profile of the mock lets a scenario choose."""

from __future__ import annotations

import pytest

from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import DocumentError, UsageError
from mock_scep_server.cli import _parser
from mock_scep_server.profiles.changes import changed, changed_capabilities
from mock_scep_server.profiles.registry import profile_named

SCENARIO = """\
format: 1
name: switches
why: The words of the CA decide what the printer uses.
clock: 2026-03-02T08:00:00+01:00
printer: {functions: [TLS], communication: {url: http://ca.example/scep}}
ca: {%s}
steps:
  - request: {name: tls, common_name: 192.0.2.10, use: TLS}
  - expect: {wire: %s}
"""


@pytest.mark.parametrize(
    ("ca", "wire"),
    [
        ("profile: rfc8894", "{method: POST, digest: sha256, cipher: aes-128-cbc}"),
        ("caps: [-SCEPStandard, -AES]", "{method: POST, digest: sha256, cipher: des-ede3-cbc}"),
        ("caps: [SHA-512, AES]", "{method: GET, digest: sha512, cipher: aes-128-cbc}"),
        ("caps: []", "{method: GET, digest: sha1, cipher: des-ede3-cbc}"),
    ],
)
def test_the_keywords_decide_how_the_printer_asks(ca: str, wire: str) -> None:
    (scenario,) = read_text(SCENARIO % (ca, wire), "here")
    assert run(scenario).failures == ()


@pytest.mark.parametrize(
    ("ca", "words"),
    [
        ("caps: [+SHA-384, AES]", "here:6:12: keywords with and without a sign are mixed"),
        ("caps: [-SHA-384]", "here:6:12: the profile does not list SHA-384"),
        ("caps: [a b]", "here:6:12: 'a b' is not a keyword of GetCACaps"),
        ("empty_content: none", "here:6:21: "),
    ],
)
def test_a_mistake_is_told_with_its_place(ca: str, words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_text(SCENARIO % (ca, "{method: POST}"), "here")
    assert words in str(caught.value)


def test_words_with_a_sign_change_the_profile_s() -> None:
    assert changed_capabilities(["+SHA-384", "-DES3", "+AES"], ("AES", "DES3")) == ("AES", "SHA-384")
    profile = profile_named("rfc8894")
    assert changed(profile) == profile
    assert changed(profile, empty_content="zero").empty_content == "zero"
    with pytest.raises(UsageError, match="one of absent, empty, zero"):
        changed(profile, empty_content="none")


def test_the_command_takes_both() -> None:
    options = _parser().parse_args(["--caps=-AES,+SHA-384", "--empty-content", "empty"])
    assert (options.caps, options.empty_content) == ("-AES,+SHA-384", "empty")
