"""``mfp-sim proxy``: a device uses the proxy's URL, and the proxy judges, shows and records every exchange."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from mfp_sim.conformance.target import target_of
from mfp_sim.proxy.observing import Observer, SeenExchange
from mfp_sim.proxy.passing import ReplySource, Upstream
from mfp_sim.proxy.scenario_writing import scenario_of
from mfp_sim.proxy.service import Keeping, ProxyService
from mfp_sim.proxy.session import Session, line_of
from mfp_sim.proxy.tape import Tape
from mfp_sim.proxy.wire_faults import WireFaults, applicable, chosen_faults
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import rsa_key_of, write_certificate
from mfp_sim.shared.reaching import asked_for, is_loopback, reach_of
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import Fate
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import Entropy, GeneratedKeys, SystemClock
from mfp_sim.shared.stopping import stop_on_signals
from mfp_sim.shared.visible import say
from mfp_sim.transport import SocketClient
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.saving import ExchangeFiles
from mock_scep_server.server import ServerHost
from mock_scep_server.tls import Handshake, TlsEndpoint, make_endpoint

__all__ = ["proxy"]

_LOOK_AGAIN = 0.2
SCENARIO, SUMMARY = "session.scenario.yaml", "session.json"


def proxy(options: argparse.Namespace) -> int:
    """Pass exchanges on until a signal or the awaited exchange; returns the exit code.

    It is 1 if exchanges are awaited (``--once``, ``--exchanges``), and not all came or a request was not granted.

    Raises:
        UsageError: options that are wrong, or do not fit together.
    """
    if options.list_faults:
        for entry in applicable():
            print(f"{entry.slug:30} {entry.sentence}")
        return 0
    _check(options)
    clock, url = SystemClock(), options.to or "http://tape.invalid/"
    told = _Telling(Session(exchanges=options.exchanges, once=options.once), as_json=options.json)
    reach = reach_of(options)
    redactor = Redactor(reach.secrets)
    keys = EnvelopeKeys(tuple(rsa_key_of(path) for path in options.key))
    files = ExchangeFiles(options.save) if options.save is not None else None
    keeping = None
    if files is not None:
        keeping = Keeping(files, redactor, secrets=options.show_secrets, keys=keys if options.save_keys else None)
    source = _source(options, SocketClient(clock, reach))
    endpoint = _endpoint(options, clock)
    service = ProxyService(
        source,
        clock=clock,
        faults=WireFaults(chosen_faults(options.fault), clock=clock, entropy=Entropy(None), keys=GeneratedKeys()),
        observer=Observer(target_of(url), clock, keys),
        redactor=redactor,
        on_seen=told.seen,
        on_told=told.told,
        keeping=keeping,
    )
    host, port = _address(options.listen)
    server = ServerHost(
        service, host, port, tls=endpoint.context if endpoint else None, on_handshake=told.handshake,
        on_refusal=told.refusal, port_option="--listen",
    )  # fmt: skip
    with stop_on_signals() as stop:
        with server, contextlib.closing(source):
            for line in _announcement(options, server, endpoint):
                told.line(line)
            while not (stop.is_set() or told.session.over.wait(_LOOK_AGAIN)):
                pass
        _end(told, files, url)
    awaited = options.once or options.exchanges is not None
    return int(awaited and not (told.session.over.is_set() and not told.session.failed))


def _check(options: argparse.Namespace) -> None:
    """Report options that do not fit together."""
    if (options.to is None) == (options.replay is None):
        raise UsageError("a proxy needs either --to URL or --replay DIR", remedy="mfp-sim proxy --to http://ca/scep")
    if options.replay is not None and asked_for(options):
        raise UsageError(
            f"--{asked_for(options)} applies only to a real server", remedy="give --to URL instead of --replay"
        )
    if options.save is None and (options.show_secrets or options.save_keys):
        raise UsageError("--show-secrets and --save-keys need --save", remedy="add --save DIR")
    if options.save_keys and not options.key:
        raise UsageError("--save-keys needs a private key", remedy="add --key FILE")
    if options.https_ca_out is not None and not options.https:
        raise UsageError("--https-ca-out needs --https", remedy="add --https")
    if options.https_name and not options.https:
        raise UsageError("--https-name needs --https", remedy="add --https")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else -1
    if not colon or not 0 <= number <= 65535:
        raise UsageError(f"--listen takes HOST:PORT, not {text!r}", remedy="for instance 127.0.0.1:8081, or [::1]:0")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", number


def _source(options: argparse.Namespace, client: SocketClient) -> ReplySource:
    """The source of replies."""
    if options.replay is not None:
        return Tape(options.replay)
    url = Url.of_server(options.to, remedy="write http://host/path or https://host/path")
    return Upstream(url, client, options.timeout)


def _endpoint(options: argparse.Namespace, clock: SystemClock) -> TlsEndpoint | None:
    """The TLS endpoint for the device, if any; writes the CA to trust if requested."""
    if not options.https:
        return None
    entropy, keys = Entropy(None), GeneratedKeys()
    ca = CertificateAuthority(clock, entropy, keys, name="mfp-sim proxy (tests only)")
    names = (_address(options.listen)[0], *options.https_name)
    endpoint = make_endpoint("trusted", ca, clock=clock, entropy=entropy, keys=keys, names=names)
    if options.https_ca_out is not None and endpoint.anchor is not None:
        write_certificate(options.https_ca_out, endpoint.anchor.der, "--https-ca-out")
    return endpoint


def _announcement(options: argparse.Namespace, server: ServerHost, endpoint: TlsEndpoint | None) -> Iterator[str]:
    path = Url.parse(options.to).target if options.to is not None else "/"
    where = f"the saved session {options.replay}" if options.replay is not None else options.to
    yield f"proxy at {server.url}{path}, in front of {where}; give the device this URL; Ctrl-C stops it"
    if endpoint is not None and endpoint.anchor is not None:
        out = f", in {options.https_ca_out}" if options.https_ca_out else "; --https-ca-out FILE writes it"
        yield f"CA to trust for TLS: {endpoint.anchor.common_name}{out}"
    if not is_loopback(server.host):
        yield "other hosts can reach the CA through this port; use this computer's address in the device's URL"
    if not options.key:
        yield "the proxy cannot open envelopes; --key FILE opens those for that key"


@dataclass(frozen=True)
class _Telling:
    """The output while the proxy runs, as text or as one JSON object per line."""

    session: Session
    as_json: bool

    def line(self, text: str) -> None:
        """A remark that is not an exchange."""
        if self.as_json:
            print(text, file=sys.stderr, flush=True)
        else:
            say(text)

    def seen(self, one: SeenExchange) -> None:
        """An exchange."""
        self.session.add(one)
        if self.as_json:
            say(json.dumps({"exchange": one.to_json()}, ensure_ascii=True))
            return
        for text in line_of(one):
            say(text)

    def told(self, number: int, fate: Fate) -> None:
        """The delivery of a reply is over."""
        self.session.told(number, cut=fate == "cut")
        if fate == "cut":
            self.line(f"#{number} the client closed the connection before the end of the reply")

    def handshake(self, handshake: Handshake) -> None:
        """The end of a TLS handshake with a client."""
        if handshake.failure is not None:
            self.line(f"{handshake.client} TLS -> handshake failed: {handshake.failure}")

    def refusal(self, client: str, status: int, text: str) -> None:
        """A request that is not valid HTTP, so the proxy cannot pass it on."""
        self.line(f"{client} -> HTTP {status}, not passed on: {text}")


def _end(told: _Telling, files: ExchangeFiles | None, url: str) -> None:
    """The summary, and the files at the end of a session."""
    session = told.session
    if told.as_json:
        say(json.dumps({"summary": session.to_json()}, ensure_ascii=True))
    else:
        for line in session.summary():
            say(line)
    if files is None:
        return
    whole = {"format": 1, "exchanges": [one.to_json() for one in session.exchanges], "summary": session.to_json()}
    files.write(SUMMARY, json.dumps(whole, indent=2).encode() + b"\n")
    text, why = scenario_of(session.exchanges, url)
    if text is not None:
        files.write(SCENARIO, text.encode())
        told.line(f"scenario: mfp-sim run {files.directory / SCENARIO} ({why})")
    else:
        told.line(f"no scenario: {why}")
