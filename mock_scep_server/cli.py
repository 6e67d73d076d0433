"""``mock-scep-server``: the mock CA as a process of its own, on the system clock, with real keys and real chance."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from zoneinfo import ZoneInfo

from mfp_sim import __version__
from mfp_sim.errors import MfpSimError, UsageError
from mock_scep_server.profiles.changes import EMPTY_CONTENTS

__all__ = ["main"]

_EXAMPLES = """\
examples:
  mock-scep-server --port 8080 --challenge-file secret.txt
  mock-scep-server --port 8080 --profile lenient --ra split
  mock-scep-server --port 8080 --caps +SHA-384          # what strongSwan 5.9.8 wants before it uses AES
  mock-scep-server --port 8080 --script rules.yaml      # what goes wrong, and when
  mock-scep-server faults                               # what a script can ask for
  mock-scep-server profiles --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mock-scep-server",
        description="A SCEP CA for tests that can misbehave on demand. It trusts everybody: keep it on loopback.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", nargs="?", default="serve", choices=["serve", "faults", "profiles"])
    parser.add_argument("--version", action="version", version=f"mock-scep-server {__version__}")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: loopback)")
    parser.add_argument("--port", type=int, default=8080, help="port to bind to, 0 for any free one (default: 8080)")
    parser.add_argument("--profile", default="rfc8894", help="shape of the CA (default: rfc8894)")
    parser.add_argument(
        "--caps", metavar="WORDS", help="keywords of GetCACaps: AES,SHA-256 instead of the profile's, or +SHA-384,-AES"
    )
    parser.add_argument(
        "--empty-content", choices=EMPTY_CONTENTS, help="content of FAILURE and PENDING instead of the profile's"
    )
    parser.add_argument("--ra", default="none", choices=["none", "split"], help="RA certificates (default: none)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules: a scenario's ca.script list")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--challenge-file", type=Path, metavar="FILE", help="the challenge password, on one line")
    group.add_argument("--challenge-env", metavar="NAME", help="environment variable with the challenge password")
    group.add_argument("--challenge", metavar="TEXT", help="the challenge password; for test values only")
    parser.add_argument("--json", action="store_true", help="output for machines (faults, profiles)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return {"serve": _serve, "faults": _faults, "profiles": _profiles}[options.verb](options)
    except MfpSimError as error:
        print(f"mock-scep-server: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0


def _challenge(options: argparse.Namespace) -> str | None:
    if options.challenge_file:
        try:
            lines = options.challenge_file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the challenge file {options.challenge_file}: {error}") from None
        if not lines or not lines[0]:
            raise UsageError(f"the challenge file {options.challenge_file} is empty")
        return str(lines[0])
    if options.challenge_env:
        if not os.environ.get(options.challenge_env):
            raise UsageError(f"the environment variable {options.challenge_env} is not set")
        return os.environ[options.challenge_env]
    return str(options.challenge) if options.challenge else None


def _serve(options: argparse.Namespace) -> int:
    from mfp_sim.simtime import Entropy, GeneratedKeys, SystemClock
    from mock_scep_server.challenges import NoChallenge, StaticChallenge
    from mock_scep_server.journal import JournalEntry
    from mock_scep_server.profiles.changes import changed
    from mock_scep_server.profiles.registry import profile_named
    from mock_scep_server.script import Script, load_script_file
    from mock_scep_server.server import ServerHost
    from mock_scep_server.service import ScepService

    clock = SystemClock()
    secret = _challenge(options)
    rules = load_script_file(options.script) if options.script else ()

    def tell(entry: JournalEntry) -> None:
        rule = f" [rule {entry.rule}]" if entry.rule else ""
        print(f"{entry.time:%H:%M:%S} {entry.client} {entry.method} {entry.name} -> {entry.decision}{rule}", flush=True)

    service = ScepService(
        profile=changed(
            profile_named(options.profile),
            caps=options.caps.split(",") if options.caps is not None else None,
            empty_content=options.empty_content,
        ),
        clock=clock,
        entropy=Entropy(None),
        keys=GeneratedKeys(),
        challenge=StaticChallenge(secret) if secret else NoChallenge(),
        script=Script(rules, ZoneInfo("UTC"), clock.now()),
        ra=options.ra,
        on_entry=tell,
    )
    host = ServerHost(service, options.host, options.port)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    host.start()
    try:
        shown = f"[{options.host}]" if ":" in options.host else options.host
        print(f"mock SCEP CA at http://{shown}:{host.port}/scep (profile {options.profile}); Ctrl-C stops it")
        print(f"CA certificate, SHA-256: {service.ca.ca.certificate.fingerprint()}", flush=True)
        stop.wait()
    finally:
        host.stop()
    return 0


def _faults(options: argparse.Namespace) -> int:
    from mock_scep_server.faults import FAULTS

    if options.json:
        rows = [
            {
                "slug": entry.slug,
                "layer": entry.layer,
                "sentence": entry.sentence,
                "requirements": entry.requirements,
                "field_failures": entry.field_failures,
                "correct_client": entry.correct_client,
                "printer_shows": entry.printer_shows,
                "example": entry.example,
            }
            for entry in FAULTS.values()
        ]
        print(json.dumps(rows, indent=2))
    else:
        for entry in FAULTS.values():
            print(f"{entry.slug:24} {entry.layer:13} {entry.sentence}  e.g. {entry.example}")
    return 0


def _profiles(options: argparse.Namespace) -> int:
    from mock_scep_server.profiles.registry import PROFILES

    if options.json:
        rows = [
            {
                "name": profile.name,
                "summary": profile.summary,
                "capabilities": profile.capabilities,
                "refuse_ciphers": sorted(profile.refuse_ciphers),
                "refuse_digests": sorted(profile.refuse_digests),
                "empty_content": profile.empty_content,
                "sources": profile.sources,
            }
            for profile in PROFILES.values()
        ]
        print(json.dumps(rows, indent=2))
    else:
        for profile in PROFILES.values():
            print(f"{profile.name:12} {profile.summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
