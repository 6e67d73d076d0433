"""Personas: each is served by a right server, and sends what its sources show and nothing that they do not."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from mfp_sim.conformance.personas import PERSONAS, persona_named
from mfp_sim.report.json_report import read_file
from mfp_sim.shared.catalogue.registry import field_failures
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.testing import Bench
from mock_scep_server.profiles.registry import profile_named

BY_VALUE = ("--challenge", "conf0rm-secret")


@pytest.mark.parametrize("persona", [name for name in PERSONAS if name != "rfc8894"])
def test_each_persona_is_served(server, conform, persona: str) -> None:
    mock = server()
    code, shown = conform(
        mock.url, *BY_VALUE, "--persona", persona, "--only", "self-signed-enrolment", "--verdict", "rfc"
    )
    assert code == 0, shown


def test_a_persona_sends_what_its_sources_show_and_says_what_they_do_not() -> None:
    """The PKIOperation as it is on the wire: who signs, how the key is wrapped, how GET is written, which HTTP."""
    seen: dict[str, HttpRequest] = {}
    for name in ("windows", "apple", "cisco-ios"):
        assert persona_named(name).unknown
        assert set(persona_named(name).sources) <= set(field_failures())
        bench = Bench(profile=replace(profile_named("rfc8894"), capabilities=("SHA-256", "AES", "SHA-1", "DES3")))
        client = bench.client(persona=name)
        handle = bench.ca.handle

        def noting(request, address, name=name, handle=handle):
            seen[name] = request
            return handle(request, address)

        bench.ca.handle = noting  # type: ignore[method-assign]
        answer = client.ask(client.order())
        assert answer.granted, (name, answer.text)
        assert answer.issued is not None
        own = x509.spki_of(answer.order.key) == answer.order.signer.spki
        assert own is (name != "windows")
    written = {name: request.target.partition("&message=")[2] for name, request in seen.items()}
    signed = cms.read_signed_data(base64.b64decode(unquote(written["windows"])))
    (recipient,) = cms.read_envelope(signed.content or b"").recipients
    assert recipient.transport.scheme == "oaep"
    assert "+" in written["apple"] or "/" in written["apple"]
    assert re.fullmatch(r"[A-Za-z0-9+/]+(%3D){0,2}", written["apple"])
    assert all(len(unquote(line)) == 64 for line in written["cisco-ios"].split("%0A")[:-1])
    assert (seen["cisco-ios"].version, seen["cisco-ios"].header("Host")) == ("HTTP/1.0", None)
    assert (seen["apple"].version, seen["apple"].header("Host")) == ("HTTP/1.1", "ca.example")


def test_a_report_says_what_is_not_known_of_a_persona(server, conform, tmp_path: Path) -> None:
    words = ("--persona", "cisco-ios", "--only", "capabilities", "--verdict", "rfc", "--report", tmp_path)
    code, shown = conform(server().url, *BY_VALUE, *words)
    assert code == 0, shown
    told = read_file(tmp_path / "report.json").provenance.options["persona"]
    assert told.startswith("cisco-ios; unknown, and therefore as in the RFC: cipher, ")
