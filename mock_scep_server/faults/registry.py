"""All faults by slug: what each does, why, what a correct client does, and how a script uses it.

The tables in `families/` make the faults; `catalogue.yaml` describes them. Both are read at the first lookup, so that
importing this module is cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module, resources
from typing import Any, TypeVar

from mfp_sim.shared.documents import Node, Problems, load_text, plain
from mfp_sim.shared.documents.kinds import Definitions, Duration, Kind, Schema, Within, Words
from mfp_sim.shared.documents.records import NEEDED, Field, Record
from mock_scep_server.faults.base import Fault, Layer
from mock_scep_server.faults.scope import Scope, in_words, requests_of, scopes

__all__ = ["FAULTS", "FaultEntry", "Spec", "among", "argument", "choice", "one_of", "search_faults"]

Value = TypeVar("Value")

FAMILIES = (
    "capabilities",
    "authority",
    "decisions",
    "attributes",
    "signatures",
    "envelopes",
    "contents",
    "queries",
    "http",
    "delivery",
    "personalities",
)


_EXAMPLES: Mapping[type[Kind], tuple[str, float]] = {Duration: ("31s", 31.0), Within: ("400", 400)}
"""Example values of required arguments, as written and as read."""


def argument(name: str, kind: Kind, default: object = NEEDED, sentence: str = "") -> Field:
    """An argument of a fault. A slug alone uses every default, and a bare value is the first argument."""
    return Field(name, name, kind, sentence, default)


def choice(name: str, words: tuple[str, ...], sentence: str = "") -> Field:
    """Make an argument that is one of a few words; the first is the default."""
    return argument(name, Words(lambda: words), words[0], sentence)


@dataclass(frozen=True)
class Spec:
    """How a slug becomes a fault: its layer, and the function that makes it from its arguments.

    A fault that takes effect before the first request is not available in scripts: `option` of `mock-scep-server`
    enables it, and `make` is None.
    """

    layer: Layer
    make: Callable[..., Fault] | None = None
    arguments: tuple[Field, ...] = ()
    option: str | None = None


def one_of(layer: Layer, name: str, table: Mapping[str, Value], make: Callable[[Value], Fault]) -> Spec:
    """Make a fault for each word of its one argument from the table; the first word is the default."""
    return Spec(layer, lambda **given: make(table[given[name]]), (choice(name, tuple(table)),))


def among(layer: Layer, name: str, faults: Mapping[str, Fault]) -> Spec:
    """Choose one of a few faults by the word of its one argument."""
    return one_of(layer, name, faults, lambda fault: fault)


@dataclass(frozen=True, kw_only=True)
class FaultEntry(Spec):
    """The registry's entry for one fault: how it is made, and its description.

    `correct_client` is what RFC 8894 expects of a client, and `client` is the catalogue's word for it, if it has one.
    `printer_shows` is the result of the printer, `proof` the situation that shows it; `alias_of` names the fault that
    looks the same from outside.
    """

    slug: str
    family: str
    sentence: str
    requirements: tuple[str, ...]
    field_failures: tuple[str, ...]
    client: str
    correct_client: str
    printer_shows: str
    proof: str
    alias_of: str | None

    @property
    def example(self) -> str:
        """The fault as written in `faults:`, with its defaults or a choice of its arguments."""
        if self.stands_alone:
            return self.slug
        needed = next(a for a in self.arguments if a.default is NEEDED)
        return f"{{{self.slug}: {_EXAMPLES[type(needed.kind)][0]}}}"

    @property
    def in_scripts(self) -> bool:
        """Whether a script can use it; the TLS handshake precedes the first request that a rule could match."""
        return self.make is not None

    @property
    def acts_at(self) -> str:
        """The requests at which it can act, with any of its arguments; empty if no script can use it."""
        return in_words(self._scopes(self.variants))

    @property
    def requests(self) -> tuple[str, ...]:
        """The operations and message types at which the example can act; "" is first if it can act at every request."""
        return requests_of(self._scopes(self.variants[:1]))

    def _scopes(self, variants: tuple[str | None, ...]) -> list[Scope]:
        if self.make is None:
            return []
        first: dict[str, Any] = {
            a.name: _EXAMPLES[type(a.kind)][1] if a.default is NEEDED else a.default for a in self.arguments
        }
        choices = [{self.arguments[0].name: word} if word else {} for word in variants]
        return [scope for choice in choices for scope in scopes(self.make(**(first | choice)))]

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests that show its effect: against the printer, and over sockets or by a client with TLS."""
        return ("tests/faults/test_proofs.py", f"tests/faults/test_{'carriers' if self.in_scripts else 'tls'}.py")

    @property
    def variants(self) -> tuple[str | None, ...]:
        """The words of its first argument if that is a choice; otherwise (None,)."""
        kind = self.arguments[0].kind if self.arguments else None
        return tuple(kind.table()) if isinstance(kind, Words) else (None,)

    def written(self, variant: str | None) -> str:
        """A variant as written in `faults:`."""
        return self.example if variant is None or variant == self.variants[0] else f"{{{self.slug}: {variant}}}"

    @property
    def stands_alone(self) -> bool:
        """Whether the slug alone is sufficient."""
        return all(argument.default is not NEEDED for argument in self.arguments)

    @cached_property
    def _record(self) -> Record:
        assert self.make is not None
        make, defaults = self.make, {argument.name: argument.default for argument in self.arguments}
        first = self.arguments[0].key if self.arguments else ""
        return Record(self.slug, lambda **given: make(**{**defaults, **given}), self.arguments, shorthand=first)

    def schema(self, found: Definitions) -> Schema:
        """The JSON schema of its argument."""
        return {**self._record.schema(found), "description": self.sentence}

    def read(self, given: Node | None, problems: Problems, place: Node) -> Fault | None:
        """Make the fault from its argument in a script; mistakes go to `problems`."""
        if self.make is None:
            hint = f"it takes effect before the first request: start the mock with mock-scep-server {self.option}"
            problems.add(place, f"{self.slug} is not available in a script", hint)
            return None
        if given is not None and not self.arguments:
            problems.add(place, f"{self.slug} takes no argument")
            return None
        if given is None and not self.stands_alone:
            needed = next(argument for argument in self.arguments if argument.default is NEEDED)
            problems.add(place, f"{self.slug} needs {needed.name}{f': {needed.sentence}' if needed.sentence else ''}")
            return None
        fault = self._record.make() if given is None else self._record.read(given, problems, self.slug)
        return fault if isinstance(fault, Fault) else None  # mistakes are reported

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON-able object."""
        return {
            "slug": self.slug,
            "family": self.family,
            "layer": self.layer,
            "sentence": self.sentence,
            "requirements": self.requirements,
            "field_failures": self.field_failures,
            "correct_client": self.correct_client,
            "printer_shows": self.printer_shows,
            "proof": {"situation": self.proof, "tests": self.tests},
            **({"acts_at": self.acts_at} if self.in_scripts else {}),
            "example": self.example if self.option is None else f"mock-scep-server {self.option}",
            "in_scripts": self.in_scripts,
            "arguments": [
                {"name": a.name, "default": None if a.default is NEEDED else a.default, **a.kind.schema({})}
                for a in self.arguments
            ],
            **({"alias_of": self.alias_of} if self.alias_of else {}),
        }


class Registry(Mapping[str, FaultEntry]):
    """The entries by slug, in the order of the families; read at the first access."""

    @cached_property
    def _entries(self) -> dict[str, FaultEntry]:
        text = resources.files("mock_scep_server.faults").joinpath("catalogue.yaml").read_text("utf-8")
        said: Any = plain(load_text(text, "catalogue.yaml"))
        found: dict[str, FaultEntry] = {}
        for family in FAMILIES:
            table: Mapping[str, Spec] = import_module(f"mock_scep_server.faults.families.{family}").TABLE
            for slug, spec in table.items():
                assert slug not in found, slug
                found[slug] = _entry(slug, family, spec, said["faults"][slug], said["clients"])
        return found

    def __getitem__(self, slug: str) -> FaultEntry:
        return self._entries[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _entry(slug: str, family: str, spec: Spec, said: Mapping[str, Any], clients: Mapping[str, str]) -> FaultEntry:
    client = str(said["client"])
    return FaultEntry(
        **vars(spec),
        slug=slug,
        family=family,
        sentence=str(said["does"]),
        requirements=tuple(said.get("requirements") or ()),
        field_failures=tuple(said.get("field_failures") or ()),
        client=client if client in clients else "",
        correct_client=clients.get(client, client),
        printer_shows=str(said.get("printer", "")),
        proof=str(said.get("proof", "enrol")),
        alias_of=said.get("alias_of"),
    )


FAULTS: Mapping[str, FaultEntry] = Registry()


def search_faults(text: str) -> list[FaultEntry]:
    """The faults for scripts whose name, layer, family and sentence together contain every word of the text."""
    words = text.lower().split()
    entries = (entry for entry in FAULTS.values() if entry.in_scripts)
    return [
        entry
        for entry in entries
        if all(word in f"{entry.slug} {entry.layer} {entry.family} {entry.sentence}".lower() for word in words)
    ]
