"""``mfp-sim serve``: serves printers with their Remote UI, and the mock CA, until it is stopped."""

from __future__ import annotations

import argparse
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mfp_sim.contact import probe
from mfp_sim.device.printer_profile import find_profile, needs_https
from mfp_sim.remote_ui.app import LOOPBACK, create_app
from mfp_sim.remote_ui.assembly import Served, ServePlan, assemble
from mfp_sim.remote_ui.host import UiHost
from mfp_sim.remote_ui.recording import Recording
from mfp_sim.remote_ui.sessions import DEFAULT_PIN
from mfp_sim.shared.documents import YEARS, in_years, load
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.reaching import asked_for, reach_of
from mfp_sim.shared.secret_options import secret_of
from mfp_sim.shared.simtime import Entropy, SystemClock
from mfp_sim.shared.stopping import stop_on_signals, wait_for
from mfp_sim.shared.visible import say, visible
from mock_scep_server.journal import JournalEntry

__all__ = ["serve"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal; 0 after a clean stop."""
    _check(options)
    plan = _plan(options)
    if plan.ca_url is not None:
        needs_https(plan.ca_url, plan.profile, "give a model file with https: true by --profile")
        contact = probe(plan.ca_url, plan.reach)
        said = f"SCEP server: {plan.ca_url}, {contact.ca.subject}, SHA-256 {contact.ca.fingerprint}"
        for line in (said, *(f"{name}: {words}" for name, words in contact.reached.items())):
            print(visible(plan.redactor.text(line)), file=sys.stderr)
    served = assemble(plan, on_entry=None if options.quiet else lambda entry: _tell(entry, ZoneInfo(plan.timezone)))
    hosts: list[UiHost] = []
    with stop_on_signals() as stop:
        try:
            recording = None
            if options.record is not None:
                recording = served.site.observer = Recording(served)
            for index in range(len(served.site.printers)):
                hosts.append(_open(options, served, index))
                served.site.ports[served.site.printers[index].serial] = hosts[-1].port
            _announce(options, served, hosts)
            _run(served, stop)
        finally:
            for host in hosts:
                host.stop()
            served.close()
        if recording is not None:
            _write(options.record, recording.text(options.record.name.partition(".")[0]))
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options that exclude each other."""
    system = options.clock == "system" or (options.clock is None and options.ca is not None)
    options.clock = "system" if system else "frozen"
    if options.ca is not None and not system:
        remedy = "leave out --clock, or leave out --ca to use the mock"
        raise UsageError("a real server needs the real time, so --ca works only with --clock system", remedy=remedy)
    if asked_for(options) and options.ca is None:
        raise UsageError(f"--{asked_for(options)} applies only to a real server", remedy="give --ca URL too")
    if system and (options.speed or options.start):
        raise UsageError("--speed and --start need a simulated clock", remedy="leave out --clock system and --ca")
    if options.record is not None:
        if system or options.printers > 1 or options.state_dir is not None:
            remedy = "leave out --clock system, --ca, --printers and --state-dir"
            raise UsageError("--record needs one new printer on a simulated clock", remedy=remedy)
        if options.record.exists():
            raise UsageError(f"{options.record} exists already", remedy="choose another file")
        if not options.record.parent.is_dir():
            raise UsageError(f"there is no directory {options.record.parent}")
        _try_to_write(options.record)


def _plan(options: argparse.Namespace) -> ServePlan:
    try:
        zone = ZoneInfo(options.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {options.timezone!r}", remedy="write Europe/Oslo") from None
    start = None
    if options.clock == "frozen":
        start = _start(options.start, zone) if options.start else SystemClock().now().replace(microsecond=0)
    return ServePlan(
        profile=find_profile(options.profile),
        printers=options.printers,
        start=start,
        speed=options.speed or 0.0,
        seed=options.seed,
        timezone=options.timezone,
        ip=options.ip,
        policies=tuple(options.policy),
        ca_url=options.ca,
        reach=reach_of(options),
        ca_host=options.host,
        ca_port=options.ca_port,
        ca_profile=options.ca_profile,
        ra=options.ra,
        challenge=secret_of(options, "challenge"),
        script=load(options.script) if options.script else None,
        state_dir=options.state_dir,
    )


def _start(text: str, zone: ZoneInfo) -> datetime:
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date and time", remedy="write 2026-03-02T08:00") from None
    if not in_years(start):
        raise UsageError(f"{text!r} is out of range", remedy=f"give a date in the years {YEARS[0]} to {YEARS[1]}")
    start = start.replace(tzinfo=zone) if start.tzinfo is None else start
    return start.astimezone(timezone.utc).replace(microsecond=0)


def _open(options: argparse.Namespace, served: Served, number: int) -> UiHost:
    app = create_app(
        served.site,
        served.site.printers[number],
        entropy=Entropy(None),
        pin=secret_of(options, "pin") or DEFAULT_PIN,
        hosts=LOOPBACK if options.host in _LOOPBACK else (),
    )
    return UiHost(app, options.host, options.port + number if options.port else 0)


def _announce(options: argparse.Namespace, served: Served, hosts: list[UiHost]) -> None:
    site = served.site
    if len(hosts) > 1:
        print(f"all printers: {hosts[0].url}simulation/printers")
    for printer, host in zip(site.printers, hosts, strict=True):
        print(f"printer {printer.serial} ({printer.ip}): {host.url}")
    kind = f"mock CA, profile {options.ca_profile}" if site.ca else "SCEP server"
    port = served.host.port if served.host else None
    print(f"{kind}: {site.ca_url}" + (f", port number {port}" if port else ""))
    if site.ca is not None:
        print(f"CA certificate, SHA-256: {site.ca.authority.issuer.certificate.fingerprint()}")
    pin = "the one you set" if secret_of(options, "pin") else f"{DEFAULT_PIN} (--pin-file sets another)"
    print(f"administrator's PIN: {pin}")
    if site.simulated:
        now = served.start.astimezone(site.printers[0].zone)
        moves = f"runs {site.speed:g} times as fast as real time" if site.speed else "stands still until you move it"
        print(f"simulated clock: {now:%Y-%m-%d %H:%M:%S} {options.timezone}; it {moves}")
    if options.host not in _LOOPBACK:
        print("warning: other computers on your network can reach this; the PIN is sent unencrypted", file=sys.stderr)
    if options.record is not None:
        print(f"your actions are recorded and written to {options.record} at the end")
    print("press Ctrl-C to stop", flush=True)


def _run(served: Served, stop: threading.Event) -> None:
    """Run until stopped; problems are reported on standard error and on the pages."""

    def tell(text: str) -> None:
        print(f"mfp-sim: {visible(text)}", file=sys.stderr, flush=True)

    keeper = threading.Thread(target=served.site.keep_time, args=(stop,), kwargs={"tell": tell}, daemon=True)
    keeper.start()
    wait_for(stop)
    keeper.join(timeout=5)


def _tell(entry: JournalEntry, zone: ZoneInfo) -> None:
    """Print a line for each request to the mock, in the printer's local time, as on its pages."""
    time = entry.time.astimezone(zone)
    line = f"{time:%Y-%m-%d %H:%M:%S} {entry.client} {entry.method} {entry.name} -> {entry.decision}{entry.by_rule}"
    say(line)


def _try_to_write(file: Path) -> None:
    """Report the problem before an hour of recording, not after it."""
    try:
        file.open("x").close()
        file.unlink()
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}", remedy="choose another file") from None


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except OSError as error:
        print(text)  # the recording cannot be repeated
        raise UsageError(f"cannot write {file}: {error.strerror}", remedy="the recording is above") from None
    print(f"recorded: mfp-sim run {file}")
