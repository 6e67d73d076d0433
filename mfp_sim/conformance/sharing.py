"""What a shared report must not reveal about the site: its hosts and addresses, and its certificates' names.

The `Redactor` that masks challenges also replaces each of these with another of its kind, wherever it is written. The
report leaves out the bytes of messages, since they contain certificates.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.registry import all_checks
from mfp_sim.report.model import ExchangeReport, HttpMessage, RunReport
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep.certificate import Certificate, name, name_pairs, name_text

__all__ = ["hide_site", "without_octets"]

_SHORT = 4
"""Shorter names, and words that mfp-sim itself uses, are replaced only as a name (``O=IBM``) or a host (``//ca``,
``ca:80``)."""


def hide_site(session: Client, hosts: Iterable[str] = (), certificates: Iterable[bytes] = ()) -> None:
    """Have the session's redactor replace everything that names the site, in everything that is written from now on.

    Args:
        session: it knows the target and the CA's certificates; it requests them if it has not yet.
        hosts: further hosts and addresses: those of the target, and the proxies'.
        certificates: further ones, in DER: those of the server in TLS.
    """
    hosts, names = dict.fromkeys([session.target.host, *hosts]), dict[tuple[str, str], None]()
    for certificate in (*session.trusted, *_readable(certificates)):
        hosts |= dict.fromkeys(_hosts(certificate))
        names |= dict.fromkeys(_names(certificate))
    ours = " ".join(("mfp-sim", *(f"{check.title} {check.why}" for check in all_checks().values())))
    for number, host in enumerate(sorted(hosts, key=len, reverse=True), 1):
        instead, port = _substitute(host, number), session.target.port
        for written in dict.fromkeys((host, host.lower(), host.upper())):
            session.redactor.add(f"//{written}", instead=f"//{instead}")
            session.redactor.add(f"{written}:{port}", instead=f"{instead}:{port}")
            if len(written) >= _SHORT and written not in ours:
                session.redactor.add(written, instead=instead)
    for number, (key, value) in enumerate(names, 1):
        escaped = name_text(name((key, value))).partition("=")[2]
        for written in dict.fromkeys((value, escaped)):
            session.redactor.add(f"{key}={written}", instead=f"{key}=name-{number}")
            if len(value) >= _SHORT and value not in ours:
                session.redactor.add(written, instead=f"name-{number}")


def _substitute(host: str, number: int) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return f"host-{number}.example"
    return f"192.0.2.{number % 256}" if address.version == 4 else f"2001:db8::{number:x}"


def _readable(certificates: Iterable[bytes]) -> Iterator[Certificate]:
    for octets in certificates:
        try:
            yield Certificate.from_der(octets)
        except DecodeError:
            continue


def _names(certificate: Certificate) -> Iterator[tuple[str, str]]:
    for octets in (certificate.subject, certificate.issuer):
        try:
            yield from name_pairs(octets)
        except DecodeError:  # it never occurs as a name
            continue


def _hosts(certificate: Certificate) -> Iterator[str]:
    """The hosts and addresses in alternative names, and those in URLs of any extension."""
    with contextlib.suppress(DecodeError):
        yield from certificate.sans
    for url in re.findall(rb"[a-z]+://([A-Za-z0-9.\-]+)", certificate.der):
        yield url.decode("ascii")


def without_octets(report: RunReport) -> RunReport:
    """The report without the bytes of any message; their number stays."""
    return replace(
        report,
        checks=tuple(replace(check, exchanges=_bare(check.exchanges)) for check in report.checks),
        printers=tuple(replace(printer, exchanges=_bare(printer.exchanges)) for printer in report.printers),
    )


def _bare(exchanges: Iterable[ExchangeReport]) -> tuple[ExchangeReport, ...]:
    return tuple(
        replace(one, request=_without_body(one.request), reply=None if one.reply is None else _without_body(one.reply))
        for one in exchanges
    )


def _without_body(message: HttpMessage) -> HttpMessage:
    return replace(message, line=re.sub(r"(?<=[?&]message=)[^& ]+", "", message.line), body=b"")
