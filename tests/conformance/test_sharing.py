"""A report that is given away: nothing in any file names the site, and the rest is still there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from report_samples import conformance_run

from mfp_sim.cli.conform import _site
from mfp_sim.conformance.selftest import bench
from mfp_sim.conformance.sharing import hide_site, without_octets
from mfp_sim.report.json_report import read_file
from mfp_sim.report.model import HttpMessage
from mfp_sim.shared.reaching import Reach
from mfp_sim.shared.scep.certificate import name, name_pairs, self_signed, subject_alt_name_extension
from mfp_sim.shared.simtime import Entropy, PooledKeys

CHALLENGE = "conf0rm-secret"


@pytest.fixture
def given(server: Callable[..., Any], conform: Callable[..., tuple[int, str]], tmp_path: Path) -> Callable[..., Any]:
    """A run with ``--share``: the mock, and the directory of its reports."""

    def run(*words: object) -> tuple[Any, Path]:
        at = server("crashes-on-garbage")
        out = tmp_path / "out"
        shared = ("--challenge", CHALLENGE, "--keep-going", "--report", out, *words)
        code, told = conform(at.url, *shared)
        assert code == 0, told
        return at, out

    return run


def test_no_file_names_the_host_the_challenge_or_the_names_of_the_certificates(given: Callable[..., Any]) -> None:
    only = ("--only", "malformed", "--only", "getcacert-self-contained", "--only", "refuses-bad-signature")
    at, out = given("--share", *only, "--printer", "canon-ir-adv-dx", "--only", "get-pkioperation")
    issuer = at.service.authority.issuer.certificate
    pairs = name_pairs(issuer.subject)
    names = {f"{key}={value}" for key, value in pairs} | {value for key, value in pairs if key == "CN"}
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {
        "report.html", "report.json", "summary.md", "junit.xml", "progress.jsonl", "minted.csv", "badge.svg",
    }  # fmt: skip
    for path in files:
        text = path.read_text("utf-8")
        for secret in ("127.0.0.1", CHALLENGE, issuer.subject_text, *names):
            assert secret not in text, (path.name, secret)
            assert secret.encode().hex() not in text
    report = read_file(out / "report.json")
    assert report.target.startswith("http://192.0.2.1:")
    assert re.match(r"\w+=name-\d", report.provenance.ca.subject if report.provenance.ca else "")
    messages = list(report.messages)
    assert messages
    assert all(message.body == b"" for message in messages)
    assert any(message.octets for message in messages)
    (errors,) = [entry for entry in report.findings if entry.id == "errors-are-http-5xx"]
    assert len(errors.places) > 5


def test_the_hosts_of_proxies_and_of_the_challenge_page_are_hidden_too() -> None:
    proxies = (("http", "me:hush@proxy.acme.example:3128"), ("https", "http://other.acme.example"), ("no", ".lan"))
    hosts = list(_site("127.0.0.1", Reach(proxies=proxies), "https://ndes.acme.example/CertSrv/mscep_admin/"))
    assert hosts[:3] == ["proxy.acme.example", "other.acme.example", "ndes.acme.example"]
    assert set(hosts[3:]) == {"127.0.0.1"}


def test_without_the_option_the_names_are_there(given: Callable[..., Any]) -> None:
    at, out = given("--only", "getcacert-self-contained", "--verdict", "rfc")
    report = read_file(out / "report.json")
    assert report.target == at.url
    assert report.provenance.ca is not None
    assert report.provenance.ca.subject == at.service.authority.issuer.certificate.subject_text


def test_names_with_commas_short_names_and_hosts_in_urls_are_replaced_too() -> None:
    key = PooledKeys(Entropy(1), side=0).rsa(2048)
    subject = name(("O", "Acme, Inc."), ("OU", "IBM"), ("CN", "Certificates of the Works"))
    with bench() as session:
        now, alternative = session.clock.now(), subject_alt_name_extension(("ca.acme.example", "10.1.2.3"))
        life: dict[str, Any] = {"not_before": now, "not_after": now + timedelta(days=1)}
        shown = self_signed(key, subject=subject, serial=7, **life, extensions=[alternative])
        hide_site(session, ["CA.Acme.Example", "2001:db8:1::7"], [shown.der, b"no certificate"])
        text = session.redactor.text(
            f"{shown.subject_text}; http://ca.acme.example/scep; CA.Acme.Example:80; 10.1.2.3; 2001:db8:1::7; Acme, Inc."
        )
    for told in ("Acme", "acme", "IBM", "Works", "10.1.2.3", "2001:db8:1::7"):
        assert told not in text, text
    assert "OU=name-" in text
    assert "http://host-" in text
    assert "192.0.2." in text
    assert "2001:db8::" in text


def test_the_octets_in_a_query_are_left_out_too() -> None:
    run = conformance_run()
    request = HttpMessage("GET /scep?operation=PKIOperation&message=MIIB%2Bx HTTP/1.1", (), b"", 0)
    asked = replace(run.checks[0].exchanges[0], request=request)
    bare = without_octets(replace(run, checks=(replace(run.checks[0], exchanges=(asked,)),)))
    assert bare.checks[0].exchanges[0].request.line == "GET /scep?operation=PKIOperation&message= HTTP/1.1"
    assert all(message.body == b"" for message in bare.messages)


def test_a_host_of_one_short_word_is_replaced_where_it_is_one() -> None:
    with bench() as session:
        session.target = replace(session.target, host="ca", port=8080)
        hide_site(session)
        told = "http://ca/scep and ca:8080 closed the connection, so the certificate of a ca"
        assert session.redactor.text(told) == (
            "http://host-1.example/scep and host-1.example:8080 closed the connection, so the certificate of a ca"
        )


def test_a_run_that_named_the_site_is_not_gone_on_with(conform: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, told = conform("http://ca.example/scep", "--share", "--resume", tmp_path)
    assert code == 2
    assert "name the site" in told
