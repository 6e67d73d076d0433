"""YAML with positions: every mistake with its place, no surprises, nothing dangerous."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfp_sim.shared.documents import MAX_OCTETS, Node, Problems, did_you_mean, duration, load, load_text, plain
from mfp_sim.shared.documents.json_values import JsonNode
from mfp_sim.shared.errors import DocumentError, UsageError


def problems_of(text: str | bytes) -> list[str]:
    """The mistakes of a text, as a person sees them."""
    with pytest.raises(DocumentError) as raised:
        load_text(text, "f.yaml")
    return [str(problem) for problem in raised.value.problems]


def test_every_node_knows_its_place() -> None:
    root = load_text("name: one\nsteps:\n  - advance: 20m\n  - {restart: , as: user}\n", "f.yaml")
    places = {key.value: (key.place, value.place) for key, value in root.pairs}
    assert places["name"] == ("f.yaml:1:1", "f.yaml:1:7")
    steps = root.get("steps")
    assert steps is not None
    assert [entry.place for entry in steps] == ["f.yaml:3:5", "f.yaml:4:5"]
    user = steps.items[1].get("as")
    assert user is not None
    assert (user.line, user.column, user.value) == (4, 21, "user")


def test_a_byte_order_mark_does_not_shift_the_first_column() -> None:
    root = load_text(b"\xef\xbb\xbfname: one\n", "f.yaml")
    assert [(key.value, key.place) for key, _ in root.pairs] == [("name", "f.yaml:1:1")]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+7", 7),
        ("1.50", 1.5),
        # What YAML 1.1 would have made something else of:
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("12:30", "12:30"),
        ("190:20:30", "190:20:30"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2026-03-02", "2026-03-02"),
        ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00Z"),
        ("<<", "<<"),
        # Quoted is text, always:
        ('"true"', "true"),
        ("'12'", "12"),
        ('""', ""),
    ],
)
def test_scalars_are_what_they_look_like(written: str, value: object) -> None:
    node = load_text(f"key: {written}\n").get("key")
    assert node is not None
    assert (type(node.value), node.value) == (type(value), value)


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert plain(load_text("<<: {a: 1}\nb: 2\n")) == {"<<": {"a": 1}, "b": 2}


def test_keys_stay_as_written() -> None:
    assert plain(load_text("{1: a, true: b, on: c}")) == {"1": "a", "true": "b", "on": "c"}


def test_a_number_too_long_to_be_one_stays_text() -> None:
    digits = "9" * 5000
    assert plain(load_text(f"n: {digits}")) == {"n": digits}


def test_duplicate_keys_are_told_with_both_places_and_all_at_once() -> None:
    assert problems_of("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n") == [
        "f.yaml:4:3: the key 'c' occurs twice; first at line 3",
        "f.yaml:5:1: the key 'a' occurs twice; first at line 1",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\n", "f.yaml:1:4: an anchor or alias is not allowed (write the value out)"),
        ("a: *x\n", "f.yaml:1:4: an anchor or alias is not allowed (write the value out)"),
        ("a: !!python/object/apply:os.system [x]\n", "f.yaml:1:4: a tag is not allowed (write the value out)"),
        ("a: !!str 1\n", "f.yaml:1:4: a tag is not allowed (write the value out)"),
        ("? [1, 2]\n: 3\n", "f.yaml:1:3: a key has to be a word, not a list"),
        ("", "f.yaml:1:1: the file is empty"),
        ("# only a comment\n", "f.yaml:1:1: the file is empty"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    assert problems_of(text) == [message]


def test_an_anchor_and_its_alias_are_two_mistakes() -> None:
    assert [text.split(" ")[0] for text in problems_of("a: &x 1\nb: *x\n")] == ["f.yaml:1:4:", "f.yaml:2:4:"]


def test_billion_laughs_are_refused_at_the_first_anchor() -> None:
    text = "a: &a [l, l]\n" + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True))
    assert problems_of(text)[0].startswith("f.yaml:1:4: an anchor")


def test_broken_yaml_says_where() -> None:
    (told,) = problems_of("a: 1\nb: [1, 2\nc: 3\n")
    assert told.startswith("f.yaml:3:")
    assert "not well-formed YAML" in told


def test_a_second_document_is_refused() -> None:
    (told,) = problems_of("a: 1\n---\nb: 2\n")
    assert told.startswith("f.yaml:2:1: not well-formed YAML: expected a single document")


def test_octets_that_are_no_utf8_name_their_line() -> None:
    assert problems_of(b"a: 1\nb: \xff\n") == ["f.yaml:2:1: the file is not UTF-8"]


def test_the_cap_is_exact() -> None:
    fits = "a: " + "x" * (MAX_OCTETS - 3)
    assert plain(load_text(fits)) == {"a": "x" * (MAX_OCTETS - 3)}
    assert problems_of(fits + "x") == [f"f.yaml:1:1: the file is larger than {MAX_OCTETS} bytes"]


def test_depth_is_bounded() -> None:
    (told,) = problems_of("[" * 60 + "]" * 60)
    assert told.endswith("nested deeper than 40")


def test_extreme_depth_is_an_error_and_no_crash() -> None:
    (told,) = problems_of("[" * 20_000 + "]" * 20_000)
    assert "nested deeper" in told or "not well-formed" in told


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "missing.yaml")


def test_readers_collect_and_go_on() -> None:
    root = load_text("whn: 1\ncount: many\nflag: yes\nkind: pendin\nafter: 5\n", "f.yaml")
    problems = Problems()
    fields = problems.map(root, ["when", "count", "flag", "kind", "after", "url"], "a rule", required=["url"])
    assert problems.integer(fields["count"], "count") is None
    assert problems.boolean(fields["flag"], "flag") is None
    assert problems.choice(fields["kind"], ["pending", "success"], "kind") is None
    assert problems.seconds(fields["after"], "after") is None
    with pytest.raises(DocumentError) as raised:
        problems.raise_if_any()
    assert str(raised.value).splitlines() == [
        "f.yaml:1:1: unknown key 'whn' in a rule (did you mean 'when'?)",
        "f.yaml:1:1: a rule needs the key 'url'",
        "f.yaml:2:8: count has to be an integer, not 'many'",
        "f.yaml:3:7: flag has to be true or false, not 'yes'",
        "f.yaml:4:7: kind has to be one of pending, success, not 'pendin' (did you mean 'pending'?)",
        "f.yaml:5:8: after has to be a duration such as 30s, 10m, 2h or 31d, not 5",
    ]


def test_an_integer_is_no_boolean_and_has_its_range() -> None:
    problems = Problems()
    root = load_text("[true, 0, 8, 7]", "f.yaml")
    values = [problems.integer(node, "n", 1, 7) for node in root]
    assert values == [None, None, None, 7]
    assert [problem.message for problem in problems.found] == [
        "n has to be an integer, not true",
        "n has to be from 1 to 7, not 0",
        "n has to be from 1 to 7, not 8",
    ]


SECRETS = "{password: 57, user: 58, challenge: {static: [59], lifetime: 60}}"


@pytest.mark.parametrize("root", [load_text(SECRETS), JsonNode(plain(load_text(SECRETS)), "f.json")])
def test_a_secret_is_not_in_a_message(root: Node) -> None:
    problems = Problems()
    found = problems.map(root, ("password", "user", "challenge"), "it")
    inner = problems.map(found["challenge"], ("static", "lifetime"), "challenge")
    for name, node in (*found.items(), *inner.items(), ("an entry", inner["static"].items[0])):
        problems.text(node, name)
    assert [problem.message.partition(", not ")[2] for problem in problems.found] == [
        "the given value", "58", "a map", "a list", "60", "the given value",
    ]  # fmt: skip


def test_text_that_looks_like_a_number_wants_quotes() -> None:
    problems = Problems()
    assert problems.text(load_text("12345", "f.yaml"), "challenge") is None
    assert [str(problem) for problem in problems.found] == [
        "f.yaml:1:1: challenge has to be a string, not 12345 (put it in quotes)"
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30.0), ("10m", 600.0), ("2h", 7200.0), ("31d", 2678400.0), ("1.5 h", 5400.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "-5s", "1w", "10m5s", "s", "1e3s", "10 m 5"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        duration(text)


def test_did_you_mean_stays_silent_when_nothing_is_near() -> None:
    assert did_you_mean("pendin", ["pending", "success"]) == "did you mean 'pending'?"
    assert did_you_mean("xyz", ["pending", "success"]) is None
    assert did_you_mean("fist-certificate", ["page-instead-of-certificates"]) is None
    assert did_you_mean("nothing-here", ["nothing-without-a-server"]) is None


def assert_read_or_refused(text: str | bytes) -> None:
    told = []
    try:
        load_text(text, "f.yaml")
    except DocumentError as error:
        told = [(problem.line >= 1, problem.column >= 1) for problem in error.problems] or [(False, False)]
    assert set(told) <= {(True, True)}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    assert_read_or_refused(text)


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused_with_a_place(octets: bytes) -> None:
    assert_read_or_refused(octets)
