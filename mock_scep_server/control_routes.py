"""What an operation of the control API is: where it is, what it takes, what it answers, and how that is described.

The table of operations is in ``control.py``. Requests are read, and OpenAPI is written, by what stands in it, so that
the two cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mfp_sim import __version__
from mfp_sim.shared.errors import Problem, UsageError

__all__ = [
    "JSON",
    "WRITTEN_RULES",
    "YAML",
    "Denied",
    "Input",
    "Route",
    "list_of",
    "object_of",
    "openapi",
    "problem_json",
]

JSON, YAML = "application/json", "application/yaml"  # RFC 8259, RFC 9512
_Schema = dict[str, Any]
_Values = Mapping[str, Any]
_TEXT: _Schema = {"type": "string"}
WRITTEN_RULES: _Schema = {
    "type": "array",
    "items": {"type": "object"},
    "description": "rules and shuffles of rules, as ca.script of a scenario has them",
}


class Denied(Exception):
    """Answered with a status and a sentence; ``headers`` go with it, ``more`` are further fields of the answer."""

    def __init__(
        self, status: int, text: str, remedy: str | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers
        self.more = {} if remedy is None else {"remedy": remedy}


@dataclass(frozen=True)
class Input:
    """A value that an operation takes, from the path, the query or a field of the body.

    ``most``: it is a whole number from 0 to that; else it is a text, one of ``words`` if there are some.
    """

    name: str
    sentence: str
    needed: bool = False
    most: int | None = None
    words: tuple[str, ...] = ()

    @property
    def schema(self) -> _Schema:
        """Its JSON schema."""
        if self.most is not None:
            return {"type": "integer", "minimum": 0, "maximum": self.most}
        return {**_TEXT, "enum": list(self.words)} if self.words else _TEXT

    def of_text(self, text: str) -> object:
        """The value that a text in a path, a query or a form is.

        Raises:
            Denied: it is not a number.
        """
        if self.most is None:
            return text
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Denied(400, f"{self.name} has to be a number")
        return int(text)

    def check(self, value: object) -> None:
        """The value is one that it can have.

        Raises:
            Denied: it is of another type, or beyond its bounds.
        """
        kind, words = (str, "a text") if self.most is None else (int, "a whole number")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Denied(400, f"{self.name} has to be {words}")
        if self.words and value not in self.words:
            raise Denied(400, f"{self.name} has to be one of {', '.join(self.words)}")
        if self.most is not None and not 0 <= value <= self.most:  # type: ignore[operator]
            raise Denied(400, f"{self.name} has to be 0 to {self.most}")


@dataclass(frozen=True)
class Route:
    """An operation: ``act`` gets the values of ``inputs`` that are given, by name, and a script as ``script``.

    ``body``: where the inputs that are not in the path come from. ``answer`` is the JSON schema of what it gives.
    ``errors``: statuses beside those that every operation may have, each with when it comes.
    """

    method: Literal["GET", "POST", "PUT"]
    path: str
    sentence: str
    act: Callable[[_Values], object]
    answer: _Schema
    inputs: tuple[Input, ...] = ()
    body: Literal["none", "fields", "script"] = "none"
    media: str = JSON
    errors: Mapping[int, str] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """Method and path, for people."""
        return f"{self.method} {self.path}"

    def fits(self, path: str) -> dict[str, str] | None:
        """What ``path`` has where this one has names in braces; None where it is another path."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()

    def values(self, given: Mapping[str, object], texts: Mapping[str, str]) -> dict[str, Any]:
        """The values by name, each of its type: ``given`` as JSON has them, ``texts`` as a path, query or form.

        Raises:
            UsageError: one that the operation does not have.
            Denied: one that is missing or wrong.
        """
        known = {one.name: one for one in self.inputs}
        unknown = sorted((given.keys() | texts.keys()) - known.keys())
        if unknown:
            raise UsageError(
                f"unknown: {', '.join(unknown)}", remedy=f"there is {', '.join(known) or 'nothing to say'}"
            )
        found = {**given, **{name: known[name].of_text(text) for name, text in texts.items()}}
        for name, value in found.items():
            known[name].check(value)
        missing = [one.name for one in self.inputs if one.needed and one.name not in found]
        if missing:
            raise Denied(400, f"missing: {', '.join(missing)}")
        return found


def object_of(needed: Mapping[str, _Schema], optional: Mapping[str, _Schema] | None = None) -> _Schema:
    """The schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {**needed, **(optional or {})},
        "required": list(needed),
        "additionalProperties": False,
    }


def list_of(items: _Schema) -> _Schema:
    """The schema of a list."""
    return {"type": "array", "items": items}


def problem_json(problem: Problem) -> dict[str, object]:
    """A mistake in a script, with its place; line and column count from 1."""
    found = {"line": problem.line, "column": problem.column, "message": problem.message, "text": str(problem)}
    return found if problem.hint is None else {**found, "remedy": problem.hint}


_COUNT: _Schema = {"type": "integer", "minimum": 0}
_PROBLEM = object_of({"line": _COUNT, "column": _COUNT, "message": _TEXT, "text": _TEXT}, {"remedy": _TEXT})
_ERROR = object_of({"error": _TEXT}, {"remedy": _TEXT, "problems": list_of(_PROBLEM)})
_ALWAYS = {
    400: "What was sent is wrong; the sentence says what.",
    401: "The token is missing or wrong.",
    403: "The request is from a page in a browser, or, without a token, names another host than this machine.",
    429: "The token was wrong too often; Retry-After has the seconds to wait.",
}


def openapi(routes: Sequence[Route]) -> _Schema:
    """The description of the operations, OpenAPI 3.1."""
    paths: dict[str, _Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Control API of the mock SCEP CA",
            "version": __version__,
            "description": "What an operator or a test suite does to a running mock-scep-server.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "the control port"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "responses": {str(status): _error(sentence) for status, sentence in _ALWAYS.items()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What --control-token-file gives; without one no token is needed, on loopback only.",
                }
            },
        },
    }


def _error(sentence: str) -> _Schema:
    return {"description": sentence, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}


def _operation(route: Route) -> _Schema:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", route.path) if word]
    found: _Schema = {"operationId": "_".join([route.method.lower(), *words]), "summary": route.sentence}
    in_path = set(re.findall(r"\{(\w+)\}", route.path))
    parameters = [
        {
            "name": one.name,
            "in": "path" if one.name in in_path else "query",
            "required": one.needed,
            "description": one.sentence,
            "schema": one.schema,
        }
        for one in route.inputs
        if one.name in in_path or route.body == "none"
    ]
    if parameters:
        found["parameters"] = parameters
    if route.body == "fields":
        fields = {one.name: {**one.schema, "description": one.sentence} for one in route.inputs}
        needed = {one.name: fields.pop(one.name) for one in route.inputs if one.needed}
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": object_of(needed, fields)}}}
    if route.body == "script":
        content = {media: {"schema": WRITTEN_RULES} for media in (JSON, YAML)}
        found["requestBody"] = {"required": True, "content": content}
    errors = {**_ALWAYS, **({} if route.body == "none" else {415: "The Content-Type is another one."}), **route.errors}
    responses: dict[str, _Schema] = {
        "200": {"description": "Done.", "content": {route.media: {"schema": route.answer}}},
    }
    for status, sentence in sorted(errors.items()):
        known = status in _ALWAYS
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"} if known else _error(sentence)
    found["responses"] = responses
    return found
