"""Changes a profile for one run. The profiles themselves are data of the registry.

Each value can be changed. The keywords of GetCACaps and the content of FAILURE and PENDING have separate options, since
no form of either suits all clients (F-E07, and strongSwan 5.9.8, which uses AES only if SHA-384 is listed).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mfp_sim.shared.errors import UsageError
from mock_scep_server.profiles.registry import CaProfile

__all__ = ["EMPTY_CONTENTS", "changed", "changed_capabilities"]

EMPTY_CONTENTS = ("absent", "empty", "zero")
"""The eContent of FAILURE and PENDING: absent (RFC 8894), a zero-length OCTET STRING, or a single zero byte (NDES)."""

_WORD = re.compile(r"[!-~]{1,64}")


def changed_capabilities(words: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Return the keywords: `words` as given, or `own` changed by `+WORD` and `-WORD`.

    Raises:
        UsageError: both forms are mixed, a word is not a keyword, or a removed keyword is not listed.
    """
    signed = [word for word in words if word[:1] in ("+", "-")]
    for word in words:
        if not _WORD.fullmatch(word.lstrip("+-")):
            raise UsageError(f"{word!r} is not a keyword of GetCACaps", remedy="write SHA-384, +SHA-384 or -AES")
    if not signed:
        return tuple(words)
    if len(signed) != len(words):
        raise UsageError(
            "keywords with and without a sign are mixed",
            remedy="give either the whole list (AES, SHA-256) or changes to the profile's (+SHA-384, -AES)",
        )
    found = list(own)
    for word in signed:
        keyword = word[1:]
        if word[0] == "+":
            found.extend([keyword] if keyword not in found else [])
        elif keyword in found:
            found.remove(keyword)
        else:
            raise UsageError(f"the profile does not list {keyword}", remedy=f"it lists {', '.join(own)}")
    return tuple(found)


def changed(
    profile: CaProfile,
    *,
    caps: Sequence[str] | None = None,
    empty_content: str | None = None,
    values: Mapping[str, object] | None = None,
) -> CaProfile:
    """Return the profile with the given changes of values, keywords and form of empty content.

    Raises:
        UsageError: see `changed_capabilities`; or the form is unknown.
    """
    if values:
        profile = replace(profile, **values)  # type: ignore[arg-type]
    if empty_content is not None:
        if empty_content not in EMPTY_CONTENTS:
            raise UsageError(
                f"{empty_content!r} is not a form of content", remedy=f"one of {', '.join(EMPTY_CONTENTS)}"
            )
        profile = replace(profile, empty_content=empty_content)  # type: ignore[arg-type]
    if caps is None:
        return profile
    return replace(profile, capabilities=changed_capabilities(caps, profile.capabilities))
