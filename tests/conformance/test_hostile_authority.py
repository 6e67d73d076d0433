"""A CA whose own certificate is hostile: the run goes to its end, and its reports are written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v

BITS = der.sequence(
    der.set_of([der.sequence(der.oid("2.5.4.45"), der.bit_string(b"\x01"))]),
    der.set_of([der.sequence(der.oid("2.5.4.3"), der.utf8_string("Bit CA"))]),
)
NO_NAME = der.sequence(der.sequence(der.oid("2.5.4.3"), der.utf8_string("x")))
CA, SIGNS = x509.basic_constraints_extension(True), x509.key_usage_extension("keyCertSign", "digitalSignature")


@pytest.mark.parametrize(
    ("name", "extensions", "subject", "found"),
    [
        (BITS, [CA, SIGNS], "CN=Bit CA,2.5.4.45=#03020001", None),
        (NO_NAME, [CA, SIGNS], f"#{NO_NAME.hex()}", None),
        (None, [CA, (v.KEY_USAGE, True, der.null())], None, "keyUsage is malformed: certificate.keyUsage at byte 0"),
        (None, [SIGNS, (v.BASIC_CONSTRAINTS, True, der.null())], None, "basicConstraints is malformed"),
    ],
)
def test_a_hostile_ca_certificate_does_not_end_the_run(
    server, tmp_path: Path, capsys: pytest.CaptureFixture[str], name, extensions, subject, found
) -> None:
    target = server(static=False)
    authority = target.service.authority
    old, name = authority.issuer.certificate, name or authority.issuer.certificate.subject
    made = x509.issue(
        serial=old.serial, issuer=name, subject=name, spki=old.spki, not_before=old.not_before,
        not_after=old.not_after, extensions=extensions, signing_key=authority.issuer.key,
    )  # fmt: skip
    for field, value in list(vars(authority).items()):
        if getattr(value, "certificate", None) is old:
            setattr(authority, field, replace(value, certificate=made))
    assert authority.certificates == (made,)
    code = main(["conform", target.url, "--read-only", "--report", str(tmp_path / "report")])
    out = capsys.readouterr()
    assert code in (0, 1)
    assert "internal error" not in out.err
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (tmp_path / "report" / "minted.csv").is_file()
    if subject is not None:
        assert report["provenance"]["ca"]["subject"] == subject
    if found is not None:
        assert found in out.out
