"""The labels of the Remote UI by language, from `labels/*.yaml`; a label that a language lacks is in English.

Owns the files, their reading, and the choice of a language; it knows no pages. Serves MFP-UI-01 and the labels of the
manual: the Norwegian file has them exactly as the manual writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup

from mfp_sim.shared.documents import load_text, plain
from mfp_sim.shared.errors import UsageError

__all__ = ["DEFAULT", "LANGUAGES", "Foreign", "Labels", "best_language", "labels_of"]

DEFAULT = "en"
LANGUAGES = ("en", "nb", "de", "it", "sv", "ja", "ko")
_ALSO = {"no": "nb", "nn": "nb"}


@dataclass(frozen=True)
class Foreign:
    """A text in a language other than the page's: its HTML names the language, for screen readers."""

    text: str
    language: str = DEFAULT

    def __str__(self) -> str:
        return self.text

    def __html__(self) -> str:
        return Markup('<span lang="{}">{}</span>').format(self.language, self.text)


@dataclass(frozen=True)
class Labels:
    """One language: `own` are its own labels, `fallback` the English ones."""

    language: str
    own: Mapping[str, str]
    fallback: Mapping[str, str]

    def text(self, key: str, **values: object) -> str:
        """The label with that key, with `{names}` filled in.

        Raises:
            UsageError: neither this language nor English has it.
        """
        found = self.own.get(key) or self.fallback.get(key)
        if found is None:
            raise UsageError(f"there is no label {key!r}")
        return found.format(**values) if values else found

    def shown(self, key: str, **values: object) -> str | Foreign:
        """The label for a page: an English label in a page of another language is marked as English.

        Raises:
            UsageError: neither this language nor English has it.
        """
        text = self.text(key, **values)
        return text if self.own.get(key) else Foreign(text)

    def has(self, key: str) -> bool:
        """Whether the label exists, in this language or in English."""
        return key in self.own or key in self.fallback


@cache
def _read(language: str) -> Mapping[str, str]:
    file = f"{language}.yaml"
    text = resources.files("mfp_sim.remote_ui").joinpath("labels").joinpath(file).read_text("utf-8")
    found = plain(load_text(text, file))
    assert isinstance(found, dict)
    return {str(key): str(value) for key, value in found.items()}


@cache
def labels_of(language: str) -> Labels:
    """The labels of one of `LANGUAGES`."""
    return Labels(language, _read(language), _read(DEFAULT))


def best_language(wanted: Iterable[str]) -> str:
    """The first language of a browser's list that is available; otherwise English."""
    for entry in wanted:
        code = entry.partition("-")[0].lower()
        code = _ALSO.get(code, code)
        if code in LANGUAGES:
            return code
    return DEFAULT
