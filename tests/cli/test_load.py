"""``mfp-sim load``: what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://192.0.2.7/scep"], "192.0.2.7 is 192.0.2.7, which is not this computer"),
        (["no-such-plan.yaml"], "'no-such-plan.yaml' is neither a file nor a URL"),
        (["ftp://127.0.0.1/scep"], "give the URL of the SCEP server"),
        (["http://127.0.0.1/scep", "--certificates", "1", "--processes", "2"], "1 certificates are fewer than 2"),
        ([], "no server was given"),
        (["https://127.0.0.1/scep", "--tls-ca", "no-such.pem"], "the CA certificates in no-such.pem cannot be read"),
        (["https://192.0.2.7/scep", "--tls-insecure"], "192.0.2.7 is 192.0.2.7, which is not this computer"),
        (["http://127.0.0.1/scep", "--proxy", "http://192.0.2.7:1"], "unrecognized argument: --proxy"),
        (["--make-keys", "3"], "--make-keys needs a file to write to"),
    ],
)
def test_what_is_refused_before_anything_is_sent(mfp_sim, words: list[str], said: str) -> None:
    shown = mfp_sim("load", *words)
    assert (shown.code, said in shown.err) == (2, True)


def test_a_plan_without_a_load_section(mfp_sim, tmp_path: Path) -> None:
    plan = tmp_path / "x.fleet.yaml"
    plan.write_text("format: 1\nname: x\nprinters:\n  - {name: a, count: 1, start: 2026-03-02 09:00}\n")
    assert "has no load section" in mfp_sim("load", plan).err
    plan.write_text(plan.read_text() + "load: {target: http://192.0.2.7/scep}\n")
    assert "which is not this computer" in mfp_sim("load", plan).err
    for wrong, said in (
        ("rate: 0", "rate has to be above 0"),
        ("rate: -2", "rate has to be above 0"),
        ("timeout: 0s", "timeout has to be from 100ms to 1h"),
        ("target: http://me:canary-8@127.0.0.1/scep", "the URL has a login in it"),
    ):
        section = wrong if wrong.startswith("target") else f"target: http://127.0.0.1/scep, {wrong}"
        plan.write_text(f"{plan.read_text().partition('load:')[0]}load: {{{section}}}\n")
        shown = mfp_sim("load", plan)
        assert (shown.code, said in shown.err, "canary" in shown.err) == (2, True, False), shown.err
