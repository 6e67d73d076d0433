"""The parts of an operation of the control API: its path, its inputs, its reply, and its description.

The table of operations is in `control.py`. Both the reading of requests and the OpenAPI description follow it, so that
they cannot differ.
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
    "description": "rules and shuffles of rules, as in ca.script of a scenario",
}


class Denied(Exception):
    """An error reply with a status and a sentence; `headers` are its header fields, `more` its additional JSON
    fields."""

    def __init__(
        self, status: int, text: str, remedy: str | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers
        self.more = {} if remedy is None else {"remedy": remedy}


@dataclass(frozen=True)
class Input:
    """An input of an operation, from the path, the query or a field of the body.

    If `most` is given, it is a whole number from 0 to `most`; otherwise it is a text, one of `words` if there are any.
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
        """Convert a text from a path, a query or a form to the value.

        Raises:
            Denied: it is not a number.
        """
        if self.most is None:
            return text
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Denied(400, f"{self.name} has to be a number")
        return int(text)

    def check(self, value: object) -> None:
        """Check that the value is allowed.

        Raises:
            Denied: it has the wrong type or is out of bounds.
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
    """An operation: `act` gets the given values of `inputs` by name, and a script as `script`.

    `body` says where the inputs that are not in the path come from. `answer` is the JSON schema of the reply. `errors`
    lists statuses in addition to those of every operation, each with its condition.
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
        """Method and path, for messages."""
        return f"{self.method} {self.path}"

    def fits(self, path: str) -> dict[str, str] | None:
        """The parts of `path` at the names in braces; None if it is a different path."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()

    def values(self, given: Mapping[str, object], texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the values by name, converted to their types: `given` from JSON, `texts` from a path, query or form.

        Raises:
            UsageError: a name is unknown.
            Denied: a value is missing or wrong.
        """
        known = {one.name: one for one in self.inputs}
        unknown = sorted((given.keys() | texts.keys()) - known.keys())
        if unknown:
            raise UsageError(f"unknown: {', '.join(unknown)}", remedy=f"known names: {', '.join(known) or 'none'}")
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
    """A mistake in a script, with its place; lines and columns count from 1."""
    found = {"line": problem.line, "column": problem.column, "message": problem.message, "text": str(problem)}
    return found if problem.hint is None else {**found, "remedy": problem.hint}


_COUNT: _Schema = {"type": "integer", "minimum": 0}
_PROBLEM = object_of({"line": _COUNT, "column": _COUNT, "message": _TEXT, "text": _TEXT}, {"remedy": _TEXT})
_ERROR = object_of({"error": _TEXT}, {"remedy": _TEXT, "problems": list_of(_PROBLEM)})
_ALWAYS = {
    400: "The request is wrong; the sentence gives the reason.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page in a browser, or, without a token, its Host is not this computer.",
    429: "The token was wrong too often; Retry-After says how many seconds to wait.",
}


def openapi(routes: Sequence[Route]) -> _Schema:
    """Return the description of the operations in OpenAPI 3.1."""
    paths: dict[str, _Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Control API of the mock SCEP CA",
            "version": __version__,
            "description": "Controls a running mock-scep-server for an operator or a test suite.",
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
                    "description": "The token of --control-token-file. Without that option, the port needs no "
                    "token but works only on loopback.",
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
    errors = {
        **_ALWAYS,
        **({} if route.body == "none" else {415: "The Content-Type is not supported."}),
        **route.errors,
    }
    responses: dict[str, _Schema] = {
        "200": {"description": "Done.", "content": {route.media: {"schema": route.answer}}},
    }
    for status, sentence in sorted(errors.items()):
        known = status in _ALWAYS
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"} if known else _error(sentence)
    found["responses"] = responses
    return found
