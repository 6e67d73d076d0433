"""A secret from a file, the environment or the command line: the first is taken, and what is empty is refused."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path

import pytest

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.secret_options import command_words, quoted_command, read_secret, secret_of


def _options(**given: object) -> Namespace:
    return Namespace(**{"pin_file": None, "pin_env": None, "pin": None, **given})


def test_a_secret_comes_from_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pin"
    file.write_text("1234\nnot this\n")
    monkeypatch.setenv("PIN", "5678")
    assert secret_of(_options(pin_file=file), "pin") == "1234"
    assert secret_of(_options(pin_env="PIN"), "pin") == "5678"
    assert secret_of(_options(pin="9999"), "pin") == "9999"
    assert secret_of(_options(), "pin") is None


@pytest.mark.parametrize("octets", [b"\xef\xbb\xbf1234\r\n", b"1234", b"1234\n\n"])
def test_a_file_may_come_from_any_editor(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "pin").write_bytes(octets)
    assert read_secret("pin", file=tmp_path / "pin") == "1234"


def test_a_secret_may_hold_what_only_python_takes_for_the_end_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "pin").write_bytes("12\u202834\x0b\n".encode())
    assert read_secret("pin", file=tmp_path / "pin") == "12\u202834\x0b"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"pin": ""}, "the pin is empty"),
        ({"pin_env": "EMPTY"}, "the environment variable EMPTY is empty"),
        ({"pin_env": "UNSET"}, "the environment variable UNSET is not set"),
        ({"pin_env": ""}, "the environment variable  is not set"),
        ({"pin_file": Path("empty")}, "the pin file empty is empty"),
        ({"pin_file": Path("none")}, "cannot read the pin file none"),
        ({"pin_file": Path("binary")}, "cannot read the pin file binary: it is not UTF-8"),
    ],
)
def test_a_source_that_holds_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text("\n1234\n")
    Path("binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)
    with pytest.raises(UsageError) as refused:
        secret_of(_options(**given), "pin")
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("line", "told"), [("", "the pin command is empty"), ("  ", "is empty"), ("x --pin 'hush", "no closing quotation")]
)
def test_a_command_that_is_none_is_refused_without_its_arguments(line: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        command_words("pin", line)
    assert "hush" not in str(caught.value)
    assert command_words("pin", "give --to 'me and you'") == ["give", "--to", "me and you"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("./approve", "./approve"),
        ("sh script.sh", "'sh script.sh'"),
        ("sh 'my script.sh' approve", """'sh '"'"'my script.sh'"'"' approve'"""),
        ("sh script.sh -v --dry-run", "'sh script.sh -v --dry-run'"),
        ("sh script.sh s3cret", '"$APPROVE_COMMAND"'),
        ("curl --user=admin:s3cret", '"$APPROVE_COMMAND"'),
        ("mysql -ps3cret", '"$APPROVE_COMMAND"'),
        ("echo " + "x" * 5000, '"$APPROVE_COMMAND"'),
    ],
)
def test_a_command_is_shown_quoted_unless_an_argument_may_be_a_secret(
    line: str, shown: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("script.sh", "my script.sh"):
        (tmp_path / name).touch()
    assert quoted_command("--approve-command", line, ["approve"]) == ("--approve-command", shown)
    if "$" not in shown:
        assert shlex.split(shown) == [shlex.join(shlex.split(line))]


def test_without_a_command_there_is_no_option() -> None:
    assert quoted_command("--revoke-command", None) == ()
