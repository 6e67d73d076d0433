"""A saved session: readable by the other commands, without secrets, playable without a CA, and a scenario of it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from proxy_stand import ProxyStand

from mfp_sim.cli.main import main as mfp_sim
from mfp_sim.proxy.scenario_writing import scenario_of
from mfp_sim.proxy.tape import Tape
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import ConnectFailed, ConnectionLost, MalformedHttp, UsageError
from mfp_sim.shared.scep.http_messages import HttpRequest, Operation, scep_request
from mock_scep_server.cli import main as mock

URL = "http://ca.example/scep"


def saved(folder: Path, **more: object) -> ProxyStand:
    return ProxyStand(save=folder, **more).begin().enrol()


def test_what_is_saved_is_what_decode_and_judge_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "s")
    names = sorted(file.name for file in (tmp_path / "s").iterdir())
    assert names == [
        "000001-GetCACaps.reply.http", "000001-GetCACaps.request.http", "000002-GetCACert.reply.http",
        "000002-GetCACert.request.http", "000003-PKCSReq.reply.http", "000003-PKCSReq.request.http",
    ]  # fmt: skip
    assert {(tmp_path / "s" / name).stat().st_mode & 0o777 for name in names} == {0o600}
    assert mfp_sim(["decode", str(tmp_path / "s" / "000003-PKCSReq.reply.http")]) == 0
    assert "pkiStatus" in capsys.readouterr().out
    assert mock(["judge", str(tmp_path / "s")]) == 0
    assert "PKCSReq, no findings" in capsys.readouterr().out


SECRETS = ("hunter22-in-the-url", "canary-login", "canary-cookie", "9F1D2C3B4A5E6F70", "canary-key")


def with_secrets(folder: Path, *, show: bool) -> str:
    """All bytes that are kept of exchanges with a secret in each place."""
    stand = ProxyStand(save=folder, show_secrets=show, ca="{profile: ndes-2016, challenge: {one_time: {}}}")
    headers = (("Authorization", "Basic canary-login"), ("Cookie", "s=canary-cookie"), ("X-Api-Key", "canary-key"))
    stand.client.http(HttpRequest("GET", "/scep?operation=GetCACaps&challenge=hunter22-in-the-url", headers))
    page = b"<html>The enrollment challenge password is: <B> 9F1D2C3B4A5E6F70 </B></html>"
    stand.service._keeping.keep(
        9, "AdminPage", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page
    )  # type: ignore[union-attr]
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir())).decode("latin-1")


def test_secrets_are_masked_unless_they_are_asked_for(tmp_path: Path) -> None:
    kept = with_secrets(tmp_path / "masked", show=False)
    assert [secret for secret in SECRETS if secret in kept] == []
    assert "operation=GetCACaps&challenge=********" in kept
    kept = with_secrets(tmp_path / "shown", show=True)
    assert [secret for secret in SECRETS if secret not in kept] == []


@pytest.mark.parametrize("show", [False, True])
def test_the_challenge_that_ndes_shows_is_masked_in_its_page(tmp_path: Path, show: bool) -> None:
    """The page is in UTF-16, as with the product."""
    stand = ProxyStand(
        ca="{profile: ndes-2016, challenge: {one_time: {}}, admin_page: {user: admin, password: page-password}}",
        save=tmp_path / "s", show_secrets=show,
    )  # fmt: skip
    login = ("Authorization", "Basic " + base64.b64encode(b"admin:page-password").decode())
    page = stand.client.http(HttpRequest("GET", "/certsrv/mscep_admin/", (login, ("Host", "localhost")))).reply
    assert page is not None
    challenge = re.search(r"challenge password is: <B> ([0-9A-F]{8,}) </B>", page.body.decode("utf-16"))
    assert challenge is not None
    kept = b"".join(file.read_bytes() for file in (tmp_path / "s").iterdir())
    for form in (challenge[1].encode(), challenge[1].encode("utf-16-le"), login[1].encode()):
        assert (form in kept) == (show and (form in page.body or form == login[1].encode()))


def test_a_challenge_that_was_seen_inside_is_told_nowhere(tmp_path: Path) -> None:
    """A CA that writes it into its failInfoText would have the proxy tell it."""
    stand = ProxyStand(
        script="[{when: {type: PKCSReq}, then: {failure: 2, text: 'wrong: canary-31c9'}}]", opened=True,
        save=tmp_path / "s", challenge=None,
    ).begin().enrol(challenge="canary-31c9")  # fmt: skip
    assert "canary-31c9" not in json.dumps([one.to_json() for one in stand.session.exchanges])
    assert "********" in (stand.last.why or "")


def test_content_keys_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    key = ProxyStand().client.key()
    saved(tmp_path / "s", opened=True, more_keys=(key,), save_keys=True)
    found = {file.name: file for file in (tmp_path / "s").glob("*.key")}
    assert sorted(found) == ["000003-PKCSReq.reply.key", "000003-PKCSReq.request.key"]
    assert {file.stat().st_mode & 0o777 for file in found.values()} == {0o600}
    assert {len(bytes.fromhex(file.read_text())) for file in found.values()} == {16}


# --- the tape ---------------------------------------------------------------------------------------------


def test_a_tape_plays_the_servers_part(tmp_path: Path) -> None:
    first = saved(tmp_path / "s")
    sent = [
        scep_request("/scep", Operation.GET_CA_CAPS), scep_request("/scep", Operation.GET_CA_CERT),
    ]  # fmt: skip
    tape = Tape(tmp_path / "s")
    assert len(tape) == 3
    assert b"SCEPStandard" in tape.ask(sent[0]).body
    played = ProxyStand(source=tape).begin().enrol()
    assert [one.came for one in played.session.exchanges] == [one.came for one in first.session.exchanges]


def test_a_client_of_its_own_sees_that_a_tape_is_a_replay(tmp_path: Path) -> None:
    saved(tmp_path / "s")
    played = ProxyStand(source=Tape(tmp_path / "s"), seed=8).begin().enrol()
    assert "recipientnonce-copied" in {f.check for f in played.last.server_findings}
    assert "The client has reason to refuse the reply" in (played.last.why or "")


def test_replies_of_a_kind_come_in_their_order_and_the_last_one_stays(tmp_path: Path) -> None:
    stand = ProxyStand(save=tmp_path / "s", script="[{when: {operation: GetCACaps}, then: {http: 503}, times: 1}]")
    for _ in range(2):
        stand.client.get(Operation.GET_CA_CAPS)
    tape = Tape(tmp_path / "s")
    statuses = [tape.ask(HttpRequest("GET", f"/other?operation=GetCACaps&x={n}")).status for n in range(3)]
    assert statuses == [503, 200, 200]


def test_what_a_tape_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="contains no saved exchange"):
        Tape(tmp_path)
    (tmp_path / "000001-GetCACaps.request.http").write_bytes(b"GET /?operation=GetCACaps HTTP/1.1\r\n\r\n")
    with pytest.raises(UsageError, match="has no reply"):
        Tape(tmp_path)
    reply = tmp_path / "000001-GetCACaps.reply.http"
    reply.write_bytes(b"")
    ask = HttpRequest("GET", "/?operation=GetCACaps")
    with pytest.raises(ConnectionLost, match="ended without a reply"):
        Tape(tmp_path).ask(ask)
    reply.write_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nAES")
    with pytest.raises(MalformedHttp, match="is not complete"):
        Tape(tmp_path).ask(ask)
    with pytest.raises(ConnectFailed, match="no reply to GetCACert"):
        Tape(tmp_path).ask(HttpRequest("GET", "/?operation=GetCACert"))


# --- the scenario -----------------------------------------------------------------------------------------

POLLED = "[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: pending, times: 1}]"


def polled() -> ProxyStand:
    stand = ProxyStand(script=POLLED + "").begin().enrol()
    order = stand.client.answers[-1].order
    stand.client.ask(stand.client.poll(order))
    stand.bench.ca.operator.approve()
    stand.client.ask(stand.client.poll(order))
    return stand


@pytest.mark.parametrize(
    ("make", "state", "said"),
    [
        (lambda: ProxyStand().begin().enrol(), "successful", "then: success"),
        (polled, "successful", "then: pending"),
        (
            lambda: ProxyStand(script="[{when: {type: PKCSReq}, then: {failure: 1}}]").begin().enrol(),
            "error", "failure: 1",
        ),
        (lambda: ProxyStand(script="[{when: {type: PKCSReq}, then: {http: 503}}]").begin().enrol(), "error", "http: 503"),
        (
            lambda: ProxyStand(script="[{when: {type: PKCSReq}, faults: [nonce-mismatch]}]").begin().enrol(),
            "error", "nonce-mismatch: null",
        ),
        (lambda: ProxyStand(faults=("empty-200",)).begin().enrol(), "error", "empty-200: null"),
        (lambda: ProxyStand(script="[{when: {type: PKCSReq}, faults: [{no-response: close}]}]").begin().enrol(), "error",
         "reset: null"),
    ],
)  # fmt: skip
def test_the_scenario_does_to_the_printer_what_the_server_did(make, state: str, said: str) -> None:
    text, why = scenario_of(make().session.exchanges, URL)
    assert text is not None, why
    assert said in text
    (scenario,) = read_text(text)
    assert run(scenario).failures == ()
    assert f"state: {state}" in text
    assert "url: http://ca.example/scep" in text


def test_of_several_enrolments_the_first_that_failed_is_written() -> None:
    stand = (
        ProxyStand(script="[{when: {type: PKCSReq, nth: 2}, then: {failure: 4}}]")
        .begin()
        .enrol()
        .begin()
        .enrol()
        .enrol()
    )
    text, _ = scenario_of(stand.session.exchanges, URL)
    assert text is not None
    assert text.count("type: PKCSReq") == 1
    assert "failure: 4" in text


def test_without_a_request_there_is_no_scenario() -> None:
    assert scenario_of(ProxyStand().begin().session.exchanges, URL) == (
        None, "no client requested a certificate, so there is no scenario to write",
    )  # fmt: skip
