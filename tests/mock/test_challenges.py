"""Who may enrol: one-time challenges, per subject, by command; and the page on which NDES gives them out."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.errors import DocumentError
from mfp_sim.shared.scep.csr import Csr
from mock_scep_server.challenges import CacheFull, CommandChallenge
from mock_scep_server.setup import read_ca

ONE_TIME = "{challenge: {one_time: {lifetime: 60m, cache: 5}}}"
PAGE = "{challenge: {one_time: {}}, admin_page: {user: admin, password: pw, no_permission: [guest]}}"


def _basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


KINDS = {
    "static": "{}",
    "once": ONE_TIME,
    "per subject": '{challenge: {per_subject: {"CN=*": s3cret}}}',
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_whole_password_is_the_password(make_ca, make_client, kind: str) -> None:
    ca = make_ca(KINDS[kind])
    client = make_client(ca)
    if kind == "once":
        ca.service.operator.give_challenge(secret="s3cret")
    parts = {"s3cret"[first:last] for first in range(7) for last in range(first, 7)} - {"s3cret", ""}
    longer = {"s3crets", " s3cret", "s3cret ", "s3cret\0", "s3crets3cret", "S3CRET", "s3creT"}
    for wrong in sorted(parts | longer):
        assert client.enrol(wrong).words == "badRequest: the challenge password is wrong", wrong
    assert client.enrol(None).words == "badRequest: a challenge password is required"
    empty = replace(Csr.from_der(client.csr()), challenge="")
    assert ca.service.challenge.check(empty, ca.clock.now()) == "the challenge password is wrong"
    assert ca.minted == 0
    assert client.enrol("s3cret").words == "SUCCESS"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{static: ""}', "rules:1:22: static is empty"),
        (
            '{per_subject: {"CN=*": ""}}',
            "rules:1:36: CN=* is empty (for a CA without challenges write challenge: none)",
        ),
    ],
)
def test_an_empty_password_does_not_load(text: str, place: str) -> None:
    problems = Problems()
    read_ca(load_text(f"{{challenge: {text}}}", "rules"), problems)
    with pytest.raises(DocumentError) as told:
        problems.raise_if_any()
    assert place in str(told.value)


def test_a_challenge_counts_once(make_ca, clients) -> None:
    ca = make_ca(ONE_TIME)
    first, second = clients(ca, 2)
    secret = ca.service.operator.give_challenge()
    assert first.enrol("FFFFFFFFFFFFFFFF").words == "badRequest: the challenge password is wrong"
    assert first.enrol(None).words == "badRequest: a challenge password is required"
    assert first.enrol(secret).words == "SUCCESS"
    assert second.enrol(secret).words == "badRequest: the challenge password has already been used"
    assert ca.minted == 1


def test_the_same_request_again_does_not_use_it_twice(make_ca, make_client) -> None:
    ca = make_ca(ONE_TIME, script="[{when: {type: PKCSReq}, then: none, times: 1}]")
    client = make_client(ca)
    octets = client.csr(ca.service.operator.give_challenge())
    with pytest.raises(Exception, match="close"):
        client.send(19, octets)
    assert client.keep(client.send(19, octets)).words == "SUCCESS"
    assert ca.minted == 1


def test_it_expires_at_its_instant(make_ca, clients) -> None:
    ca = make_ca(ONE_TIME)
    first, second = clients(ca, 2)
    one, two = ca.service.operator.give_challenge(), ca.service.operator.give_challenge()
    ca.pass_time(minutes=59, seconds=59)
    assert first.enrol(one).words == "SUCCESS"
    ca.pass_time(seconds=1)
    assert second.enrol(two).words == "badRequest: the challenge password expired at 2026-03-02T13:00:00Z"


def test_five_are_outstanding_and_a_used_or_expired_one_makes_room(make_ca, make_client) -> None:
    ca = make_ca(ONE_TIME)
    give = ca.service.operator.give_challenge
    secrets = [give() for _ in range(5)]
    assert len(set(secrets)) == 5
    with pytest.raises(CacheFull, match="5 challenge passwords are outstanding"):
        give()
    make_client(ca).enrol(secrets[0])
    give()
    with pytest.raises(CacheFull):
        give()
    ca.pass_time(minutes=60)
    assert len({give() for _ in range(5)}) == 5


def test_it_may_be_for_one_subject_only(make_ca, clients) -> None:
    ca = make_ca(ONE_TIME)
    first, second = clients(ca, 2)
    secret = ca.service.operator.give_challenge("CN=printer-1.*")
    given = ca.service.operator.given(secret)
    assert not given.presented
    assert first.enrol(secret).words == "badRequest: the challenge password is for another subject"
    assert (given.presented, given.used) == (True, False)
    assert second.enrol(secret).words == "SUCCESS"
    assert given.used


def test_a_challenge_is_used_up_by_a_request_that_fails_later(make_ca, make_client) -> None:
    ca = make_ca(ONE_TIME, script="[{when: {type: PKCSReq}, then: {failure: 2, text: later}, times: 1}]")
    client = make_client(ca)
    secret = ca.service.operator.give_challenge()
    assert client.enrol(secret).words == "badRequest: later"
    client.transaction = "another"
    assert client.enrol(secret).words == "badRequest: the challenge password has already been used"  # F-S05


def test_a_password_for_each_subject(make_ca, clients) -> None:
    ca = make_ca('{challenge: {per_subject: {"CN=printer-0*": one, "CN=printer-1*": two}}}')
    first, second, third = clients(ca, 3)
    assert first.enrol("two").words == "badRequest: the challenge password is wrong"
    assert first.enrol("one").words == "SUCCESS"
    assert second.enrol("two").words == "SUCCESS"
    assert third.enrol("one").words == "badRequest: there is no challenge password for this subject"


def test_an_external_command_decides_and_sees_the_challenge_on_its_standard_input_only(
    make_ca, make_client, tmp_path: Path
) -> None:
    program = tmp_path / "judge.py"
    program.write_text(
        "import json, sys\nasked = json.load(sys.stdin)\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(json.dumps([asked, sys.argv]))\n"
        "sys.exit(0 if asked['challenge'] == 'open sesame' else 3)\n"
    )
    ca = make_ca(challenge=CommandChallenge([sys.executable, str(program)]))
    client = make_client(ca)
    assert client.enrol("wrong").words == "badRequest: the challenge command refused (exit code 3)"
    assert client.enrol("open sesame").words == "SUCCESS"
    asked, arguments = json.loads((tmp_path / "seen").read_text())
    assert asked == {"subject": "CN=printer-1.example", "challenge": "open sesame", "sans": []}
    assert "open sesame" not in arguments


def test_a_command_that_is_not_there_refuses(make_ca, make_client) -> None:
    csr = Csr.from_der(make_client(make_ca()).csr())
    judge = CommandChallenge(["/nonexistent/judge"])
    assert judge.check(csr, make_ca().clock.now()) == "the challenge command cannot be run: No such file or directory"
    slow = CommandChallenge([sys.executable, "-c", "input(); input()"], seconds=0.0)
    assert slow.check(csr, make_ca().clock.now()) == "the challenge command did not answer within 0 s"


# --- the page of NDES -------------------------------------------------------------------------------------


def test_the_page_gives_a_challenge_and_the_thumbprint_in_utf_16(make_ca, make_client) -> None:
    ca = make_ca(PAGE)
    page = ca.get("/certsrv/mscep_admin/", _basic("admin", "pw"))
    assert (page.status, page.headers["content-type"]) == (200, "text/html")
    text = page.body.decode("utf-16")
    # As published clients look for it.
    secret = text.split("The enrollment challenge password is: <B> ")[1].split(" ")[0]
    assert len(secret) == 16
    thumbprint = ca.service.authority.issuer.certificate.fingerprint("md5").upper()
    shown = text.split("The thumbprint (hash value) for the CA certificate is: <B> ")[1].split(" </B>")[0]
    assert shown.replace(" ", "") == thumbprint
    assert "will expire within 60 minutes" in text
    assert make_client(ca).enrol(secret).words == "SUCCESS"
    assert secret not in str([entry.to_json() for entry in ca.service.journal.entries])
    assert ca.decisions[0] == "challenge given"


def test_the_page_is_full_after_five(make_ca) -> None:
    ca = make_ca(PAGE)
    for _ in range(5):
        assert "password is: " in ca.get("/certsrv/mscep_admin", _basic("admin", "pw")).body.decode("utf-16")
    full = ca.get("/certsrv/mscep_admin/", _basic("admin", "pw"))
    assert full.status == 200
    assert "The password cache is full." in full.body.decode("utf-16")
    assert "password is: " not in full.body.decode("utf-16")
    ca.pass_time(hours=1)
    assert "password is: " in ca.get("/certsrv/mscep_admin/", _basic("admin", "pw")).body.decode("utf-16")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (_basic("admin", "wrong"),),
        (_basic("nobody", "pw"),),
        (("Authorization", "Basic !!"),),
        (("Authorization", "Bearer x"),),
    ],
)
def test_the_page_wants_user_and_password(make_ca, headers) -> None:
    ca = make_ca(PAGE)
    page = ca.get("/certsrv/mscep_admin/", *headers)
    assert page.status == 401
    assert page.headers["www-authenticate"] == 'Basic realm="mscep_admin"'
    assert "password is: " not in page.body.decode("utf-16")
    assert ca.decisions == ["access denied"]


def test_each_wrong_password_of_the_page_costs_a_longer_wait(make_ca) -> None:
    ca = make_ca(PAGE)
    path, wrong, right = "/certsrv/mscep_admin/", _basic("admin", "wrong"), _basic("admin", "pw")
    assert [ca.get(path, wrong).status for _ in range(4)] == [401] * 4
    for seconds in (1, 2, 4):
        assert ca.get(path).status == 429  # without a password too, so that nobody learns whether one would do
        page = ca.get(path, right)
        assert (page.status, page.headers["retry-after"]) == (429, str(seconds))
        assert "password is: " not in page.body.decode("utf-16")
        ca.pass_time(seconds=seconds)
        assert ca.get(path, wrong).status == 401
    ca.pass_time(seconds=8)
    assert "password is: " in ca.get(path, right).body.decode("utf-16")
    assert [ca.get(path, wrong).status for _ in range(4)] == [401] * 4  # what was before is forgotten


def test_who_has_no_permission_is_told_so(make_ca) -> None:
    ca = make_ca(PAGE)
    page = ca.get("/certsrv/mscep_admin/", _basic("guest", "pw"))
    assert page.status == 200
    assert "You do not have sufficient permission to enroll with SCEP." in page.body.decode("utf-16")
    assert "password is: " not in page.body.decode("utf-16")


def test_without_a_page_the_path_is_one_of_scep(make_ca) -> None:
    ca = make_ca(ONE_TIME)
    assert ca.get("/certsrv/mscep_admin/?operation=GetCACaps").status == 200
    assert ca.get("/certsrv/mscep_admin/").status == 400
