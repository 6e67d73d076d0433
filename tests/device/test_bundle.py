"""Bundles: what is in them and what is not, damage of every kind, other models, a restart in the middle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from mfp_sim.device import bundle as bundle_module
from mfp_sim.device.bundle import CATEGORIES, CATEGORY, MAGIC, Bundle, open_bundle, seal_bundle
from mfp_sim.device.printer_profile import profile_named
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, Polling
from mfp_sim.device.storage import MemoryStorage
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.simtime import Entropy

KEY = KeySettings("tls", "192.0.2.10", "Ørsted Blåbær AS", 4096, "SHA512", "TLS", None, "s3cret-challenge")
AUTO = AutoRequestSettings(True, datetime(2026, 3, 2, 9), KEY, True, Polling(2, 10), 30, True, True)
WHOLE = Bundle("canon-ir-adv-dx", "SIM00001", True, CommunicationSettings("http://ca.example/", 80, 30), AUTO)


def sealed(password: str = "pass word") -> bytes:
    return seal_bundle(WHOLE, password, Entropy(1))


def test_what_is_sealed_is_opened_but_for_the_challenge() -> None:
    assert open_bundle(sealed(), "pass word") == replace(WHOLE, auto=replace(AUTO, key=replace(KEY, challenge=None)))


def test_neither_challenge_nor_key_nor_plain_text_is_in_the_file(machine) -> None:
    world = machine()
    world.printer.send_request(world_key := replace(KEY, length=2048, challenge="s3cret"))
    world.timer(key=world_key)
    world.printer.begin_export("pw")
    world.pass_time(minutes=2)
    octets = world.printer.exported
    assert octets is not None
    for secret in (b"s3cret", b"192.0.2.10", b"ca.example"):
        assert secret not in octets
    head, inside = octets[:36], octets[36:]
    document = AESGCM(bundle_module._key("pw", head[8:24])).decrypt(head[24:], inside, head)
    text = document.decode()
    assert "ca.example" in text
    assert "s3cret" not in text
    assert json.loads(text)["settings"]["auto"]["key"]["challenge"] is None
    for entry in world.printer.key_list():
        assert entry.private.hex() not in text


@pytest.mark.parametrize("length", range(80))
def test_a_file_cut_off_anywhere_in_its_head_is_refused(length: int) -> None:
    with pytest.raises(Refused) as caught:
        open_bundle(sealed()[:length], "pass word")
    assert caught.value.reason == ("bundle-damaged" if length < 52 else "bundle-not-opened")


def test_every_flipped_bit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sealed()
    cached = {whole[8:24]: bundle_module._key("pass word", whole[8:24])}
    monkeypatch.setattr(bundle_module, "_key", lambda password, salt: cached.get(salt, b"\0" * 32))
    assert open_bundle(whole, "pass word").serial == "SIM00001"
    for position in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(Refused) as caught:
            open_bundle(bytes(damaged), "pass word")
        assert caught.value.reason == ("bundle-damaged" if position < 64 else "bundle-not-opened")


def test_another_password_is_refused_and_not_told() -> None:
    with pytest.raises(Refused) as caught:
        open_bundle(sealed(), "pass w0rd")
    assert caught.value.reason == "bundle-not-opened"
    assert "w0rd" not in str(caught.value)


@pytest.mark.parametrize("password", ["", "x" * 33, "pässword", "a\nb"])
def test_passwords_that_the_machine_does_not_take(password: str) -> None:
    for action in (lambda: sealed(password), lambda: open_bundle(sealed(), password)):
        with pytest.raises(Refused) as caught:
            action()
        assert caught.value.reason == "bad-bundle-password"


@pytest.mark.parametrize(
    ("length", "reason", "words"),
    [
        (256 * 1024, "bundle-not-opened", "the password is wrong"),
        (256 * 1024 + 1, "bundle-damaged", "larger than 262144 bytes"),
    ],
)
def test_a_file_has_256_kib_at_most_and_what_is_larger_is_not_looked_at(length: int, reason: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        open_bundle(MAGIC + b"x" * (length - len(MAGIC)), "pw")
    assert caught.value.reason == reason


def test_whoever_knows_the_format_opens_a_file_without_us() -> None:
    """docs/reference/bundles.md: the parameters belong to the format, so a file outlives the version that wrote it."""
    octets = sealed()
    key = hashlib.scrypt(b"pass word", salt=octets[8:24], n=2**14, r=8, p=1, dklen=32)
    document = json.loads(AESGCM(key).decrypt(octets[24:36], octets[36:], octets[:36]))
    assert octets[:8] == b"MFPSIMB1"
    assert (document["format"], document["category"]) == (1, "Settings/Registration Basic Information")
    assert document["settings"]["communication"] == {"url": "http://ca.example/", "port": 80, "timeout": 30}


def resealed(document: object) -> bytes:
    head = MAGIC + b"\1" * 28
    inside = document if isinstance(document, bytes) else json.dumps(document).encode()
    return head + AESGCM(b"\0" * 32).encrypt(head[-12:], inside, head)


def document_of(monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.setattr(bundle_module, "_key", lambda password, salt: b"\0" * 32)
    octets = sealed()
    return json.loads(AESGCM(b"\0" * 32).decrypt(octets[24:36], octets[36:], octets[:36]))


def test_a_sealed_file_with_anything_wrong_in_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    document = document_of(monkeypatch)
    cases: list[object] = [b"", b"{", b"[" * 10_000, [], 7, {**document, "format": 2}, {**document, "category": "x"}]
    cases += [{k: v for k, v in document.items() if k != name} for name in document]
    inner = document["settings"]
    for part in ("communication", "auto"):
        for name in inner[part]:
            cases += [{**document, "settings": {**inner, part: {**inner[part], name: wrong}}} for wrong in (7.5, [1])]
        cases.append({**document, "settings": {**inner, part: {**inner[part], "extra": 1}}})
    for name in inner["auto"]["key"]:
        if name not in ("challenge", "policy"):
            changed = {**inner["auto"], "key": {**inner["auto"]["key"], name: None}}
            cases.append({**document, "settings": {**inner, "auto": changed}})
    nested: list[dict[str, Any]] = [
        ({"polling": {**inner["auto"]["polling"], name: "2"}}) for name in ("count", "minutes")
    ]
    nested.append({"key": {**inner["auto"]["key"], "policy": 7}})
    nested += [
        {"start": start} for start in ("2026-03-02T09:00:00+01:00", "0000-01-01T00:00:00", "2026-02-30T09:00:00")
    ]
    cases.append({**document, "settings": {**inner, "dns": "no"}})
    cases += [{**document, name: 7} for name in ("model", "serial")]
    cases += [{**document, "settings": {**inner, "auto": {**inner["auto"], **change}}} for change in nested]
    for case in cases:
        with pytest.raises(Refused) as caught:
            open_bundle(resealed(case), "pw")
        assert caught.value.reason == "bundle-invalid", case


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_no_octets_raise_anything_else(octets: bytes, begins_well: bool) -> None:
    with pytest.raises(Refused):
        open_bundle((MAGIC if begins_well else b"") + octets[:20], "pw")


def test_the_categories_that_are_not_offered_are_listed_as_such() -> None:
    assert [name for name, offered in CATEGORIES.items() if offered] == [CATEGORY]
    assert "Key Settings" in CATEGORIES


@pytest.mark.parametrize("category", [name for name, offered in CATEGORIES.items() if not offered] + ["Nothing"])
def test_a_category_that_is_not_offered_is_refused(machine, category: str) -> None:
    world = machine()
    with pytest.raises(Refused) as caught:
        world.printer.begin_export("pw", category=category)
    assert caught.value.reason == "category-not-offered"
    assert world.printer.transfer is None


# --- on a machine -----------------------------------------------------------------------------------------


def exported(machine, every_days: int | None = 30, **values: object) -> bytes:
    world = machine(**values)
    world.printer.set_dns(True)
    world.timer(every_days=every_days)
    world.printer.begin_export("pw")
    world.pass_time(minutes=2)
    assert world.printer.exported is not None
    return world.printer.exported


def test_an_import_restores_the_settings_and_keeps_the_machines_own_challenge(machine) -> None:
    octets = exported(machine)
    world = machine()
    world.timer(key=KeySettings("other", "192.0.2.99", challenge="own-secret"))
    world.printer.begin_import(octets, "pw")
    world.pass_time(minutes=2)
    auto = world.printer.auto_request
    assert (auto.key.name, auto.every_days, auto.key.challenge) == ("tls", 30, "own-secret")
    assert world.printer.dns
    assert world.printer.next_request == datetime.fromisoformat("2026-03-02T08:00:00+00:00")
    assert any("imported" in line.text for line in world.printer.import_report)


def test_the_report_is_that_of_the_import_that_has_ended(machine) -> None:
    octets = exported(machine)
    world = machine()
    world.printer.begin_import(octets, "pw")
    world.pass_time(minutes=2)
    assert world.printer.import_report
    world.printer.begin_import(octets, "pw")
    assert world.printer.import_report == ()
    world.printer.power_off()
    world.printer.power_on()
    assert world.printer.import_report == ()


def test_no_two_files_have_the_same_salt_or_nonce(machine) -> None:
    """AES-GCM gives its key away when a nonce comes twice."""
    world = machine()
    heads = []
    for _ in range(3):
        world.printer.begin_export("pw")
        assert world.printer.exported is None  # the file of before is gone
        world.pass_time(minutes=2)
        octets: bytes = world.printer.exported
        heads.append((octets[8:24], octets[24:36]))
    assert len({salt for salt, _ in heads}) == len({nonce for _, nonce in heads}) == 3


@pytest.mark.parametrize("reading", ["rolled-back", "partial"])
@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ({"bundle_has_scep": False}, {}, "not in the bundle, unchanged"),
        ({}, {"bundle_has_scep": False}, "not supported by this model, unchanged"),
    ],
)
def test_a_model_without_scep_in_its_bundles(machine, reading: str, there: dict, here: dict, words: str) -> None:
    """MFP-BUNDLE-01: the rest is imported, and what is left alone is told."""
    octets = exported(machine, **there)
    world = machine(flips=(f"A-18={reading}",), **here)
    world.printer.update_communication(url="http://here.example/")
    world.printer.begin_import(octets, "pw")
    for _ in range(2):
        world.pass_time(minutes=1)
        assert world.printer.communication == CommunicationSettings("http://here.example/", 80, 30)
        assert world.storage.load()["communication"]["url"] == "http://here.example/"
    assert world.printer.dns
    assert tuple(map(str, world.printer.import_report)) == (
        "DNS server: imported",
        f"Settings for Certificate Issuance Request (SCEP): {words}",
    )


@pytest.mark.parametrize(("timer", "reason"), [(True, "no-communication-settings"), (False, None)])
def test_a_timer_without_a_server_is_not_imported(machine, timer: bool, reason: str | None) -> None:
    """MFP-AUTO-05: what nobody could enter on the machine comes into it by no bundle either."""
    world = machine()
    auto = replace(AUTO, timer=timer, key=replace(KEY, policy=None))
    octets = seal_bundle(replace(WHOLE, communication=None, auto=auto), "pw", Entropy(1))
    try:
        world.printer.begin_import(octets, "pw")
        got = None
    except Refused as refused:
        got = refused.reason
    assert got == reason
    assert (world.printer.transfer is None) == (reason is not None)


def test_settings_that_the_model_does_not_take_are_refused_whole(machine) -> None:
    octets = exported(machine)
    world = machine(profile=replace(profile_named("canon-ir-adv-dx"), key_name_length=2))
    before = world.storage.load()
    with pytest.raises(Refused) as caught:
        world.printer.begin_import(octets, "pw")
    assert caught.value.reason == "bad-key-name"
    after = world.storage.load()
    assert after["audit"][:-1] == before["audit"]
    assert {**after, "audit": None} == {**before, "audit": None}
    assert "import of settings NG: bad-key-name" in world.diagnoses


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("auto", {"start": "0001-01-01T00:00:00"}, "start-out-of-range"),
        ("auto", {"start": "0001-01-01T00:00:00", "timer": False}, "start-out-of-range"),
        ("auto", {"start": "1969-12-31T23:59:00"}, "start-out-of-range"),
        ("auto", {"start": "2200-01-01T00:00:00"}, "start-out-of-range"),
        ("auto", {"start": "9999-12-31T23:59:00"}, "start-out-of-range"),
        ("auto", {"every_days": 10**30}, "bad-request-interval"),
        ("auto", {"every_days": 0}, "bad-request-interval"),
        ("auto", {"polling": {"count": 0, "minutes": 10}}, "bad-poll-count"),
        ("auto", {"polling": {"count": 1, "minutes": 10**30}}, "bad-poll-interval"),
        ("communication", {"port": 0}, "bad-port"),
        ("communication", {"port": 65536}, "bad-port"),
        ("communication", {"timeout": 0}, "bad-timeout"),
        ("communication", {"timeout": 10**30}, "bad-timeout"),
        ("communication", {"url": "http://256.256.256.256/scep"}, "bad-url"),
        ("auto", {}, None),
    ],
)
def test_values_out_of_range_are_refused_by_the_machines_own_rules(
    machine, monkeypatch: pytest.MonkeyPatch, part: str, change: dict, reason: str | None
) -> None:
    document = document_of(monkeypatch)
    settings = document["settings"]
    document["settings"] = {**settings, part: {**settings[part], **change}}
    world = machine()
    before = world.storage.load()
    if reason is None:
        world.printer.begin_import(resealed(document), "pw")
        world.pass_time(minutes=3)
        assert world.printer.auto_request.timer
        return
    with pytest.raises(Refused) as caught:
        world.printer.begin_import(resealed(document), "pw")
    assert caught.value.reason == reason
    after = world.storage.load()
    assert {**after, "audit": None} == {**before, "audit": None}
    assert f"import of settings NG: {reason}" in world.diagnoses


def test_a_start_that_has_passed_goes_on_with_its_period(machine) -> None:
    octets = exported(machine)
    world = machine()
    world.pass_time(days=40)
    world.printer.begin_import(octets, "pw")
    world.pass_time(minutes=2)
    assert world.printer.next_request == datetime.fromisoformat("2026-05-01T07:00:00+00:00")


def test_a_start_that_has_passed_leaves_a_model_that_goes_by_expiry_asking_the_next_day(machine) -> None:
    octets = exported(machine, every_days=None, profile="days-before-expiry")
    world = machine(profile="days-before-expiry")
    world.pass_time(days=40)
    world.printer.begin_import(octets, "pw")
    world.pass_time(minutes=2)
    assert world.printer.next_request is not None
    assert world.printer.next_request - world.clock.now() <= timedelta(days=1)


@pytest.mark.parametrize(
    ("reading", "other", "reason"),
    [
        ("other-models", {"profile": "canon-7100"}, None),
        ("same-model", {"profile": "canon-7100"}, "bundle-other-machine"),
        ("same-model", {}, None),
        ("same-machine", {}, None),
    ],
)
def test_whose_bundles_are_taken(machine, reading: str, other: dict, reason: str | None) -> None:
    octets = exported(machine, **other)
    world = machine(flips=(f"A-30={reading}",))
    try:
        world.printer.begin_import(octets, "pw")
        got = None
    except Refused as refused:
        got = refused.reason
    assert got == reason


def test_another_machine_of_the_same_model_is_another_machine(machine) -> None:
    octets = exported(machine)
    world = machine(flips=("A-30=same-machine",))
    other = world.make_printer(serial="SIM00002", storage=MemoryStorage())
    other.power_on()
    with pytest.raises(Refused) as caught:
        other.begin_import(octets, "pw")
    assert caught.value.reason == "bundle-other-machine"


def test_while_a_transfer_runs_nobody_operates_the_machine(machine) -> None:
    world = machine()
    world.printer.begin_export("pw")
    with pytest.raises(Refused) as caught:
        world.printer.send_request(KEY)
    assert caught.value.reason == "import-export-running"
    world.pass_time(minutes=2)
    assert world.printer.transfer is None


@pytest.mark.parametrize(
    ("reading", "url"), [("rolled-back", "http://here.example/"), ("partial", "http://ca.example/scep")]
)
def test_an_import_that_the_automatic_restart_cuts_off(machine, reading: str, url: str) -> None:
    octets = exported(machine)
    world = machine(flips=(f"A-18={reading}",))
    world.printer.update_communication(url="http://here.example/")
    world.timer(restart=True, key=replace(KEY, length=2048, challenge="s3cret", name="here"))
    world.pass_time(minutes=58, seconds=45)
    world.printer.begin_import(octets, "pw")
    world.pass_time(minutes=10)
    assert world.printer.communication.url == url
    assert world.printer.auto_request.key.name == "here"
    kept = "the settings applied so far stay" if reading == "partial" else "nothing was changed"
    assert f"import of settings NG: interrupted by switching off or a restart; {kept}" in world.diagnoses
    assert world.names == ["Default Key", "here"]
