"""`mock-scep-server serve`: the mock CA as its own process, with the system clock, real keys and real randomness.

Owns how the options become a CA, its defects and its hosts, and what is printed while it runs.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.documents import Node, Problems, load, load_text
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import readable, write_certificate
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.secret_options import command_words, secret_of
from mfp_sim.shared.simtime import Clock, Entropy, GeneratedKeys, SystemClock
from mfp_sim.shared.stopping import stop_on_signals, wait_for
from mfp_sim.shared.visible import say
from mock_scep_server.challenges import ChallengePolicy, CommandChallenge, StaticChallenge
from mock_scep_server.cli_defects import DefectiveService
from mock_scep_server.cli_keeping import vault_of
from mock_scep_server.client_accounts import accounts
from mock_scep_server.control import ControlService
from mock_scep_server.faults.chosen import option_fault
from mock_scep_server.journal import Journal, JournalEntry, severity_of
from mock_scep_server.profiles.registry import find_profile
from mock_scep_server.saving import SavingService
from mock_scep_server.script_file import load_script_file, script_of
from mock_scep_server.server import ServerHost, Service
from mock_scep_server.service import ScepService, make_service
from mock_scep_server.setup import CaSetup, read_ca
from mock_scep_server.tls import Handshake, TlsEndpoint, make_endpoint
from mock_scep_server.vault import Vault

__all__ = ["for_wsgi", "serve"]


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal; returns the exit code.

    Raises:
        UsageError: options conflict or are impossible.
        DocumentError: mistakes in a file.
    """
    if options.save_keys and options.save is None:
        raise UsageError("--save-keys needs --save", remedy="add --save DIR")
    _check_control(options)
    saving = SavingService(options.save, keys=options.save_keys) if options.save is not None else None
    clock = SystemClock()
    vault = vault_of(options, clock)
    with contextlib.closing(vault.store):
        return _run(options, _service(options, clock, vault, saving), saving)


def _check_control(options: argparse.Namespace) -> None:
    """Check that the control port is on loopback or has a token.

    Raises:
        UsageError: options conflict.
    """
    token = secret_of(options, "control_token")
    if options.control_port is None and (token is not None or options.control_host is not None):
        raise UsageError("--control-token-file and --control-host need --control-port", remedy="add --control-port")
    if options.control_host is not None and token is None:
        raise UsageError("the control port needs a token outside loopback", remedy="add --control-token-file")


def _run(options: argparse.Namespace, service: ScepService, saving: SavingService | None) -> int:
    """Serve a CA until a signal stops it."""
    service.answer_to((options.host, socket.gethostname(), socket.getfqdn(), *options.server_name, *options.tls_name))
    endpoint = _endpoint(options, service)
    if options.write_ca is not None:
        write_certificate(options.write_ca, service.authority.issuer.certificate.der, "--write-ca")
    hosts = list(_hosts(options, service, endpoint, saving))
    before = service.journal.count
    with stop_on_signals() as stop:
        with contextlib.ExitStack() as stack:
            for host in hosts:
                stack.enter_context(host)
            if options.publish is not None or service.policy.publish_at is None:
                here = None if endpoint else hosts[0].url  # a certificate should not have https:// URLs (RFC 5280, 8)
                service.publish_at(None if options.publish == "none" else options.publish or here)
            for line in _announcement(options, service, hosts, endpoint, before):
                say(line)
            wait_for(stop)
        for line in account(service.journal):
            say(line)
        for sentence in service.script.unused():
            print(f"mock-scep-server: {sentence}", file=sys.stderr)
    return 0


def account(journal: Journal) -> Iterator[str]:
    """Summarize the run: the number of requests, and for each client its findings, worst first."""
    entries = journal.entries
    if not entries:
        return
    kept = "" if len(entries) == journal.count else f"; details only for the last {len(entries)}"
    yield f"{journal.count} request{'s' * (journal.count != 1)}{kept}"
    for account in accounts(entries):
        line = f"client {account.client}: {account.requests} request{'s' * (account.requests != 1)}"
        verdicts = Counter(finding.partition(" ")[0] for finding in account.findings)
        counts = ", ".join(f"{verdicts[word]} {word}" for word in ("fail", "warn", "note") if verdicts[word])
        yield f"{line}, {account.granted} granted; findings: {counts or 'none'}"
        for finding, times in account.findings.items():
            yield f"  {finding}{f' ({times} times)' if times > 1 else ''}"


def _line(entry: JournalEntry) -> str:
    """The line of a request on the terminal: the decision, the rule behind it, the faults that acted and their first
    change, and the worst finding about the client."""
    line = f"{entry.time:%H:%M:%S} {entry.client} {entry.method} {entry.name} -> {entry.decision}{entry.by_rule}"
    line = line if entry.exchange is None else f"#{entry.exchange} {line}"
    acted = [slug for slug in entry.faults if slug not in entry.without_effect]
    line += f" faults: {', '.join(acted)}{_changed(entry.changes)}" if acted else ""
    line += f" without effect: {', '.join(entry.without_effect)}" if entry.without_effect else ""
    worst = min(entry.judgement, key=severity_of, default="note")
    return line if worst.startswith("note") else f"{line} | client: {worst}"


def _changed(changes: Sequence[str]) -> str:
    """The first change that faults made; the journal has all of them."""
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return f" ({changes[0]}{more})" if changes else ""


def _service(options: argparse.Namespace, clock: Clock, vault: Vault, saving: SavingService | None) -> ScepService:
    """Make the CA; it prints a line for each request."""
    secret = secret_of(options, "challenge")
    challenge: ChallengePolicy | None = StaticChallenge(secret) if secret else None
    if options.challenge_command is not None:
        challenge = CommandChallenge(command_words("challenge", options.challenge_command))

    def tell(entry: JournalEntry) -> None:
        say(_line(entry))

    service = make_service(
        _setup(options),
        clock=clock,
        entropy=Entropy(None) if saving is None else saving.entropy(Entropy(None)),
        keys=GeneratedKeys(),
        zone=ZoneInfo("UTC"),
        challenge=challenge,
        on_entry=tell,
        vault=vault,
    )
    if saving is not None:
        service.exchange_number = saving.number_of
    return service


def _hosts(
    options: argparse.Namespace, service: ScepService, endpoint: TlsEndpoint | None, saving: SavingService | None
) -> Iterator[ServerHost]:
    """Yield the host of the CA, and that of its control port if there is one."""

    def tell(handshake: Handshake) -> None:
        said = f"handshake failed: {handshake.failure}"
        if handshake.failure is None:
            if options.tls != "untrusted":
                return
            said = "the client accepted an untrusted certificate"
        say(f"{service.clock.now():%H:%M:%S} {handshake.client} TLS -> {said}")

    front = _front(options, service, saving)
    context = endpoint.context if endpoint else None
    yield ServerHost(
        front, options.host, options.port, tls=context, on_handshake=tell, on_refusal=service.record_refusal
    )
    if options.control_port is not None:
        control = _control(options, service, saving)
        host = options.control_host or "127.0.0.1"
        yield ServerHost(control, host, options.control_port, port_option="--control-port")


def _front(options: argparse.Namespace, service: ScepService, saving: SavingService | None) -> Service:
    """The CA as clients see it: with its defects, and with each exchange saved."""
    front: Service = DefectiveService(service, options.defect, Entropy(None), say) if options.defect else service
    if saving is not None:
        saving.service, front = front, saving
        saving.private = lambda: tuple(
            key for ca in service.authorities.all if isinstance(key := ca.recipient.key, RSAPrivateKey)
        )
    return front


def _control(options: argparse.Namespace, service: ScepService, saving: SavingService | None) -> ControlService:
    """Make the service behind the control port."""
    script = _rules_of(options.fault) or None
    if options.script is not None:
        script = readable(options.script).read_text("utf-8-sig")
    files = None if saving is None else saving.files
    return ControlService(service, files, token=secret_of(options, "control_token"), script=script)


def for_wsgi(options: argparse.Namespace) -> tuple[Service, ControlService | None]:
    """Make the CA from the options, and its control service if there is a token, for a server that owns the sockets.

    Raises:
        UsageError: options conflict, or are about sockets.
        DocumentError: mistakes in a file.
    """
    sockets = ("control_port", "control_host", "tls", "tls_ca_out", "tls_client_ca")
    given = [f"--{name.replace('_', '-')}" for name in sockets if getattr(options, name) is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: the WSGI server owns the sockets", remedy="give it to that server")
    saving = SavingService(options.save, keys=options.save_keys) if options.save is not None else None
    clock = SystemClock()
    vault = vault_of(options, clock)
    atexit.register(vault.store.close)
    service = _service(options, clock, vault, saving)
    service.answer_to((socket.gethostname(), socket.getfqdn(), *options.server_name))
    if options.publish is not None:
        service.publish_at(None if options.publish == "none" else options.publish)
    if options.write_ca is not None:
        write_certificate(options.write_ca, service.authority.issuer.certificate.der, "--write-ca")
    control = _control(options, service, saving) if secret_of(options, "control_token") is not None else None
    return _front(options, service, saving), control


def _announcement(
    options: argparse.Namespace,
    service: ScepService,
    hosts: list[ServerHost],
    endpoint: TlsEndpoint | None,
    before: int,
) -> Iterator[str]:
    """The lines printed when the server is ready; `before` is the number of requests in the stored state."""
    yield f"mock SCEP CA at {hosts[0].url}/scep (profile {service.profile.name}); Ctrl-C stops it"
    yield f"CA certificate, SHA-256: {service.authority.issuer.certificate.fingerprint()}"
    if options.defect:
        yield f"defects: {', '.join(options.defect)}"
    if endpoint is not None and endpoint.anchor is None:
        yield f"self-signed TLS certificate, SHA-256: {endpoint.certificate.fingerprint()}"
    elif endpoint is not None and endpoint.anchor is not None:
        where = f", in {options.tls_ca_out}" if options.tls_ca_out else "; --tls-ca-out FILE writes it"
        yield f"CA to trust for TLS: {endpoint.anchor.common_name}{where}"
    if options.state_dir is not None:
        yield f"state stored in {service.store.where}: {before} request{'s' * (before != 1)} before this start"
    if options.control_port is not None:
        yield f"control at {hosts[1].url}/"


def _setup(options: argparse.Namespace) -> CaSetup:
    """Read the CA of `--ca FILE`; `--set` overrides it, and the other options override both."""
    problems = Problems()
    root = load(options.ca) if options.ca else Node("map", (), "--set", 1, 1)
    if root.kind == "map":
        pairs = {str(key.value): (key, value) for key, value in root.pairs}
        for text in options.set:
            key, sign, value = text.partition("=")
            if not sign or not key.isidentifier():
                raise UsageError(f"--set takes KEY=VALUE, not {text!r}", remedy="for example --set approval=manual")
            ((name, inner),) = load_text(f"{key}: {value}", f"--set {key}").pairs
            pairs[key] = (name, inner)
        root = replace(root, value=tuple(pairs.values()))
    setup = read_ca(root, problems)
    problems.raise_if_any()
    if setup.url is not None:
        raise UsageError("url is for scenarios: this program is the server")
    chosen = {"ra": options.ra, "empty_content": options.empty_content}
    if options.profile is not None and options.profile.endswith((".yaml", ".yml")):
        chosen["shape"] = find_profile(options.profile)
    else:
        chosen["profile"] = options.profile
    if options.caps is not None:
        chosen["caps"] = tuple(options.caps.split(","))
    if options.script and options.fault:
        raise UsageError("--fault is for a mock without --script", remedy="write the fault into a rule of the script")
    if options.script:
        chosen["script"] = load_script_file(options.script)
    elif options.fault:
        chosen["script"] = script_of(_rules_of(options.fault), "--fault")
    return replace(setup, **{name: value for name, value in chosen.items() if value is not None})


def _rules_of(faults: Sequence[str]) -> str:
    """The script of ``--fault``, as YAML: a rule for each request that is named, with its faults in order."""
    rules: dict[str, list[str]] = {}
    for text in faults:
        fault, _, request = text.rpartition("@") if "@" in text else (text, "", "")
        option_fault(fault)  # its mistakes have a place in the option, not in the script
        rules.setdefault(request, []).append(fault)
    operations = {str(operation) for operation in Operation}
    lines = []
    for request, entries in rules.items():
        key = "operation" if request in operations else "type"
        lines.append(f"- {{{f'when: {{{key}: {request}}}, ' if request else ''}faults: [{', '.join(entries)}]}}\n")
    return "".join(lines)


def _endpoint(options: argparse.Namespace, service: ScepService) -> TlsEndpoint | None:
    """Make the TLS endpoint if TLS is used, and write the CA to trust if an option asks for it."""
    if options.tls is None:
        if options.tls_ca_out or options.tls_name or options.tls_client_ca:
            text = "--tls-ca-out, --tls-name and --tls-client-ca need --tls"
            raise UsageError(text, remedy="add, for example, --tls other-pki")
        return None
    names = (options.host, *options.tls_name)
    endpoint = make_endpoint(
        options.tls,
        service.authority,
        clock=service.clock,
        entropy=Entropy(None),
        keys=GeneratedKeys(),
        names=names,
        clients=options.tls_client_ca,
    )
    if options.tls_ca_out is not None:
        if endpoint.anchor is None:
            remedy = "omit --tls-ca-out, or use --tls trusted or other-pki"
            raise UsageError("there is no CA to trust for an untrusted certificate", remedy=remedy)
        write_certificate(options.tls_ca_out, endpoint.anchor.der, "--tls-ca-out")
    return endpoint
