"""Names, organizations and subjects of people and offices in several languages, for tests: made up, and always the same.

Each comes from a seed of its own, so neither the order of tests nor the number of processes changes any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from faker import Faker

__all__ = ["LOCALES", "Identity", "identities", "identity"]

LOCALES = ("no_NO", "ja_JP", "ar_SA", "de_DE", "el_GR")
"""Norwegian, Japanese (wide letters), Arabic (from right to left), German, Greek."""


@dataclass(frozen=True)
class Identity:
    """What somebody in an office enters. ``key_name`` and both hosts are of the letters that those fields take; the
    rest is written as people there write it."""

    locale: str
    person: str
    organization: str
    unit: str
    locality: str
    key_name: str
    fqdn: str
    ip: str

    def __str__(self) -> str:
        return f"{self.locale}-{self.key_name}"


@cache
def identity(locale: str, number: int) -> Identity:
    """The ``number``-th identity of a language."""
    fake = Faker(locale)
    fake.seed_instance(f"mfp-sim/{locale}/{number}")
    return Identity(
        locale=locale,
        person=fake.name(),
        organization=fake.company()[:64],
        unit=fake.job()[:64],
        locality=fake.city(),
        key_name=re.sub(r"[^A-Za-z0-9 _-]", "-", fake.user_name())[:24],
        fqdn=f"mfp{number}.{fake.domain_name()}",
        ip=fake.ipv4_private(),
    )


def identities(each: int) -> list[Identity]:
    """The first ``each`` of every language."""
    return [identity(locale, number) for locale in LOCALES for number in range(each)]
