"""The labels of reports by language, from `labels/*.yaml`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import TypeAlias

import yaml

__all__ = ["LANGUAGES", "Say", "labels"]

LANGUAGES = ("en", "nb")
Say: TypeAlias = Callable[[str], str]
"""A label by its key, in the language of the report."""


@cache
def labels(language: str) -> Say:
    """The labels of a language, as a function of the key.

    Raises:
        KeyError: raised by the function for an unknown key, which is a mistake in a template.
    """
    text = resources.files("mfp_sim.report").joinpath("labels", f"{language}.yaml").read_text("utf-8")
    found: dict[str, str] = yaml.safe_load(text)
    return found.__getitem__
