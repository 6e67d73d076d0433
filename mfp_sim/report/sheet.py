"""The parts that HTML reports share: escaping, the content security policy, assets, and the template environment.

Every text is hostile: Jinja escapes it, control characters are made visible, and the policy allows only the one style
sheet and the one script, by digest.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

__all__ = ["asset", "environment_of", "policy_for", "quoted", "shown"]

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Characters that are invisible or change the direction of text; they are shown as their numbers."""


def shown(value: object) -> object:
    """Text in which every invisible character is replaced by a visible escape."""
    if isinstance(value, str) and not (value.isprintable() or isinstance(value, Markup)):
        return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    return value


_PLAIN = re.compile(r"[\w .,:;()\[\]{}/+=…→-]*", re.ASCII)
"""Text in which nothing has to be escaped or replaced; nearly all text is like this."""


def quoted(text: str) -> str:
    """Text escaped for markup and attributes."""
    return text if _PLAIN.fullmatch(text) else str(escape(shown(text)))


def environment_of(package: str) -> Environment:
    """The templates of a package, and those of the reports, such as the frame ``sheet.html`` of a page with charts.

    Every text in them is escaped, and an undefined name is an error."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("mfp_sim.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy_for(style: str, script: str | None = None) -> str:
    """The content security policy that allows this style sheet and this script (if there is one), and nothing else."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; style-src {digest(style)}; {f'script-src {digest(script)}; ' if script else ''}"
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def asset(name: str, package: str = "mfp_sim.report") -> str:
    """A file of the package's templates."""
    return resources.files(package).joinpath("templates", name).read_text("utf-8")
