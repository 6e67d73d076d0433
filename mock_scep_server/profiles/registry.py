"""The profiles of CAs as data: what each accepts, advertises and answers. Every value in a file cites its source.

A profile is a file beside this module, based on `rfc8894` or another profile. Each value has a source and a kind of
evidence (`EVIDENCE`); values that neither the RFC, a capture nor a run confirms are marked. Observations of one product
confirm nothing about another: if a file imitates a product, the values inherited from its base are unconfirmed, and a
value confirmed for both has to be in both files. A profile has no behaviour; the modules of the CA read it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.documents import Node, Problems, did_you_mean, load, load_text
from mfp_sim.shared.documents.kinds import Kind, Pattern, Scalar, Within, Word, Words
from mfp_sim.shared.documents.records import document, kind_of, read
from mfp_sim.shared.documents.sourced import Sourced, SourcedValues
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.certificate import KEY_USAGE_BITS
from mfp_sim.shared.scep.vocabulary import CIPHER_OIDS, DIGEST_OIDS, FailInfo
from mock_scep_server.spans import Span

__all__ = ["PROFILES", "VALUES", "CaProfile", "Source", "find_profile", "profile_named", "read_profile", "value_kind"]

EVIDENCE: Mapping[str, bool] = {
    "rfc": True,  # RFC 8894 says so
    "capture": True,  # in messages captured from the product
    "run": True,  # seen in runs with real clients or the product
    "read": False,  # read in the product's source text
    "reported": False,  # stated in a thread or in documentation
    "assumed": False,  # unknown; the most likely value
    "chosen": True,  # not of a product: our own choice
}
"""The kinds of evidence, and whether each confirms a value."""

KeyUsage = tuple[Annotated[str, Words(lambda: KEY_USAGE_BITS)], ...]
Cipher = Annotated[str, Words(lambda: (*sorted(CIPHER_OIDS), "as-asked"))]
Number = Annotated[int, Within(0)]
FieldValue = Annotated[str, Pattern(r"[ -~]*", "printable ASCII text")]
OnePath = Annotated[str, Pattern(r"(/[!-~]*)?", "a path, or empty")]
Hresult = Annotated[str, Pattern(r"(-?[0-9]{1,10})?", "a decimal number, or empty")]
Keyword = Annotated[str, Pattern(r"[!-~]{1,100}", "printable ASCII without blanks, at most 100 characters")]
OddForm = Annotated[str, Words(lambda: [name for name in requirements() if name.startswith("SCEP-")])]
ARCS = r"([01]\.[1-3]?[0-9]|2\.(0|[1-9][0-9]{0,8}))(\.(0|[1-9][0-9]{0,8})){0,20}"
Purpose = Annotated[str, Pattern(ARCS, "an object identifier such as 1.3.6.1.5.5.7.3.1")]
FailInfos = tuple[Annotated[str, Words(lambda: [reason.label for reason in FailInfo])], ...]
Before = Annotated[timedelta | None, Span(), Word("allow", None)]


@dataclass(frozen=True)
class Source:
    """The source of a value: a citation and a word of `EVIDENCE`.

    `base` is the profile whose file contains the value if it is inherited; `covers` is whether the source also applies
    to this profile.
    """

    text: str
    by: str
    base: str = ""
    covers: bool = True

    @property
    def confirmed(self) -> bool:
        """Whether the RFC, a capture or a run confirms the value for this profile."""
        return EVIDENCE[self.by] and self.covers

    def __str__(self) -> str:
        known = f"{self.by}, for {self.base}" if self.base else self.by
        return f"{self.text} ({known}{'' if self.confirmed else '; unconfirmed'})"


@dataclass(frozen=True)
class CaProfile:
    """One profile. Ciphers and digests are names of `mfp_sim.shared.scep.vocabulary`; the defaults are those of RFC
    8894.

    `imitates` is the product; empty for our own profiles, which cannot be wrong. `unlike` holds the known differences
    from the product, by the check of servers that shows the difference, or by the element.
    """

    name: str
    summary: str
    imitates: str = ""
    unlike: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

    # --- what it publishes about itself
    capabilities: tuple[Keyword, ...] = ()
    caps_lines: Literal["lf", "crlf", "no-final-newline", "crlf-between"] = "lf"
    caps_reply: Literal["list", "404", "close"] = "list"
    server: FieldValue = "mock-scep-server"  # the Server field; empty: none
    ra: Literal["none", "single", "split"] = "none"
    ca_key_usage: KeyUsage = ()  # empty: all usages that a CA without an RA needs
    ca_name: str = ""  # empty: the policy's

    # --- what it accepts
    path: OnePath = ""  # the only path that it answers; empty: any
    post: Literal["served", "405", "empty-200"] = "served"
    tolerance: Literal["tolerant", "strict"] = "tolerant"  # of odd forms in queries and messages
    refuse_forms: tuple[
        OddForm, ...
    ] = ()  # odd forms of messages that it cannot read, by the requirement that they miss
    refuse_ciphers: frozenset[Annotated[str, Words(lambda: CIPHER_OIDS)]] = frozenset()
    refuse_digests: frozenset[Annotated[str, Words(lambda: DIGEST_OIDS)]] = frozenset()
    message_types: frozenset[Annotated[int, Within(17, 22)]] = frozenset({17, 19, 20, 21, 22})
    csr_signature: Literal["checked", "unchecked"] = "checked"
    signing_times: Literal["any", "of-signer"] = "any"  # of-signer: within the validity of the signer's certificate
    minimum_rsa: Number = 1024
    duplicates: Before = None  # how long before its certificate expires a subject may have a second one; None: always

    # --- renewal and retransmission
    legacy_renewal: bool = True
    renewal_signer: Literal["checked", "unchecked"] = "checked"
    renewal_challenge: bool = False
    same_key: Literal["new", "old"] = "new"
    retransmission: Literal["same", "again"] = "same"
    challenge: Literal["checked", "ignored"] = "checked"
    unasked_challenge: Literal["ignored", "refused"] = "ignored"  # a challenge sent to a CA without challenges

    # --- how it answers
    reply_cipher: Cipher = "as-asked"
    reply_cipher_for_weak: Cipher = "des-ede3-cbc"
    reply_digest: Annotated[str, Words(lambda: (*sorted(DIGEST_OIDS), "as-asked"))] = "as-asked"
    empty_content: Literal["absent", "empty", "zero"] = "absent"
    sender_nonce: Literal["fresh", "copied"] = "fresh"  # a CA that copies the request's requires one
    signing_time: bool = False
    fail_info_text: bool = True
    fail_info_text_type: Literal["utf8", "printable"] = "utf8"
    failures: Literal["by-cause", "badRequest"] = "by-cause"
    failure_status: FailInfos = ()  # failInfos that are answered with HTTP 500 instead
    unsupported_status: Number = 0  # HTTP status for message types that it does not have; 0: badRequest
    unreadable_status: Number = 400  # for messages that it cannot read, and for operations that it does not have
    next_ca_status: Number = 404  # for GetNextCACert while no next CA is published
    unreadable_data_status: Number = 0  # also for a CSR that is unreadable or does not verify
    failure_certificates: Literal["given", "absent"] = "given"
    hresult: Hresult = ""  # the attribute of NDES beside a FAILURE; empty: none
    server_message: str = ""  # the attribute of NDES beside a SUCCESS; empty: none
    outer_certificates: Literal["signer", "issued-and-signer", "none"] = "signer"  # beside a SUCCESS
    ca_in_reply: bool = True
    bag_empty_crls: bool = False
    signature_name: Literal["rsaEncryption", "combined"] = "rsaEncryption"
    signature_parameters: Literal["null", "absent"] = "null"
    digest_parameters: Literal["null", "absent"] = "null"
    transport_parameters: Literal["null", "absent"] = "null"
    transport_for_aes: Literal["pkcs1", "oaep"] = "pkcs1"
    constructed_ciphertext: bool = False

    # --- certificates that it issues
    serials: Literal["random", "sequential"] = "random"
    issued_key_usage: KeyUsage = ()  # empty: what fits the key, or what the CSR asks for
    issued_purposes: tuple[Purpose, ...] = ()  # OIDs of extKeyUsage; empty: what the CSR asks for
    issued_basic_constraints: bool = True
    backdated: Annotated[timedelta, Span()] = timedelta(minutes=10)

    def values(self) -> dict[str, object]:
        """The values by name, JSON-able, without name, summary and sources."""
        found: dict[str, object] = {}
        for entry in dataclasses.fields(self):
            if entry.name in _NO_VALUES:
                continue
            value = getattr(self, entry.name)
            if isinstance(value, frozenset):
                value = sorted(value)
            elif isinstance(value, timedelta):
                value = f"{value.total_seconds():.15g}s"
            found[entry.name] = value
        return found

    @property
    def own(self) -> dict[str, Source]:
        """The sources of the values in its own file."""
        return {name: source for name, source in self.sources.items() if not source.base}

    @property
    def taken_over(self) -> dict[str, Source]:
        """The sources of the inherited values."""
        return {name: source for name, source in self.sources.items() if source.base}

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The values that are in no file: as in RFC 8894, whether or not the product agrees."""
        return tuple(name for name in self.values() if name not in self.sources)


_TEXTS = ("name", "summary", "imitates")
_NO_VALUES = (*_TEXTS, "unlike", "sources")
VALUES = tuple(entry.name for entry in dataclasses.fields(CaProfile) if entry.name not in _NO_VALUES)
"""The names of all values."""


# --- reading ----------------------------------------------------------------------------------------------


def read_profile(root: Node, known: Mapping[str, CaProfile]) -> CaProfile:
    """Read a profile from a document; `known` are the possible bases.

    Raises:
        DocumentError: all its mistakes.
    """
    problems = Problems()
    file = read(_ProfileFile, root, problems)
    named = root.get("base")
    if named is not None and isinstance(named.value, str):
        problems.choice(named, known, "base")
    problems.raise_if_any()
    assert file is not None
    base = CaProfile("", "") if file.base is None else known[file.base]
    values = {name: entry["value"] for name, entry in file.values.items()}
    said = {name: Source(str(entry["source"]), str(entry["by"])) for name, entry in file.values.items()}
    sources = {**_inherited(base, product=bool(file.imitates)), **said}
    texts = {name: getattr(file, name) for name in (*_TEXTS, "unlike")}
    return replace(base, **texts, **values, sources=sources)  # type: ignore[arg-type]


def _kinds() -> Mapping[str, Kind]:
    return {name: value_kind(name) for name in VALUES}


@document("a CA profile")
@dataclass(frozen=True)
class _ProfileFile:
    format: Annotated[int, Scalar(Problems.version, {"const": 1})]
    name: str
    summary: str
    values: Annotated[Sourced, SourcedValues(_kinds, {"source": kind_of(str), "by": Words(lambda: EVIDENCE)})]
    base: str | None = None
    imitates: str = ""
    unlike: Mapping[str, str] = field(default_factory=dict)


def _inherited(base: CaProfile, *, product: bool) -> dict[str, Source]:
    """The sources of a base, as far as they apply to a profile based on it."""
    return {
        name: replace(source, base=source.base or base.name, covers=source.covers and not product)
        for name, source in base.sources.items()
    }


def value_kind(name: str) -> Kind:
    """The format of one of `VALUES`."""
    return kind_of(_types()[name])


@cache
def _types() -> Mapping[str, Any]:
    return get_type_hints(CaProfile, localns={}, include_extras=True)


def _shipped() -> dict[str, CaProfile]:
    here = resources.files("mock_scep_server.profiles")
    texts = {entry.name: entry.read_text("utf-8") for entry in here.iterdir() if entry.name.endswith(".yaml")}
    roots = {name.removesuffix(".yaml"): load_text(text, name) for name, text in texts.items()}
    found: dict[str, CaProfile] = {}
    while roots:  # a base comes before the profiles based on it
        ready = [name for name, root in roots.items() if (base := root.get("base")) is None or base.value in found]
        if not ready:
            raise UsageError(f"the CA profiles {', '.join(sorted(roots))} have an unknown base")
        for name in sorted(ready):
            found[name] = read_profile(roots.pop(name), found)
    order = {name: place for place, name in enumerate(_ORDER)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


_ORDER = ("rfc8894", "strict", "lenient", "ndes-2008r2", "ndes-2012r2", "ndes-2016", "micromdm-2.1", "step-ca")
PROFILES: dict[str, CaProfile] = _shipped()


def find_profile(name_or_file: str) -> CaProfile:
    """Return a shipped profile by name, or one from a file (`*.yaml`, `*.yml`), which may be based on a shipped one.

    Raises:
        DocumentError: all mistakes of the file.
        UsageError: no shipped profile has this name.
    """
    if name_or_file.endswith((".yaml", ".yml")):
        return read_profile(load(Path(name_or_file)), PROFILES)
    return profile_named(name_or_file)


def profile_named(name: str) -> CaProfile:
    """Return the profile with this name.

    Raises:
        UsageError: there is no such profile.
    """
    if name not in PROFILES:
        raise UsageError(f"there is no CA profile {name!r}", remedy=did_you_mean(name, PROFILES) or ", ".join(PROFILES))
    return PROFILES[name]
