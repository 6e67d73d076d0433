"""The command `mock-scep-server`: its options, and the lists that it prints. `cli_serving.py` runs the server."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mfp_sim import __version__
from mfp_sim.shared.command_line import SuggestingParser, run_command
from mfp_sim.shared.errors import MfpSimError, UsageError
from mfp_sim.shared.visible import visible
from mock_scep_server.profiles.changes import EMPTY_CONTENTS

__all__ = ["main", "wsgi_options"]

_EXAMPLES = """\
examples:
  mock-scep-server --port 8080 --challenge-file secret.txt
  mock-scep-server --port 8080 --profile lenient --ra split
  mock-scep-server --port 8080 --caps +SHA-384          # strongSwan 5.9.8 uses AES only if SHA-384 is advertised
  mock-scep-server --port 8080 --fault nonce-mismatch@PKCSReq --fault '{delay: 5s}@GetCACert'
  mock-scep-server --port 8080 --script rules.yaml      # what goes wrong, and when
  mock-scep-server --ca ca.yaml --control-port 8081     # a whole CA from a file, and a port to control it
  mock-scep-server --control-port 8081 --control-token-file token.txt     # its page: http://127.0.0.1:8081/
  mock-scep-server --set approval=manual --set 'rollover={publish: 1h, switch: 2h}' --control-port 8081
  mock-scep-server --profile lenient --set reply_digest=sha1 --set hresult="'-2147024891'"
  mock-scep-server --profile ndes-2016 --set 'challenge={one_time: {}}' \\
                   --set 'admin_page={user: admin, password: test-only}'
  mock-scep-server --state-dir state --write-ca ca.pem  # the same CA with all its records after each restart
  mock-scep-server --ca-key ca.p12 --ca-key-passphrase-file secret.txt     # your own CA
  mock-scep-server --tls other-pki --tls-ca-out web.pem # HTTPS, and the CA that a client has to trust for it
  mock-scep-server --tls other-pki --tls-client-ca root.pem    # only clients that present a certificate with its chain
  mock-scep-server faults                               # lists the faults that a script can use
  mock-scep-server faults nonce-mismatch                # describes one fault in full
  mock-scep-server --defect accepts-bad-signature       # a CA with a defect: do your server tests notice it?
  mock-scep-server defects                              # lists all defects
  mock-scep-server judge request.der --key ca.pem       # what a captured request reveals about its client
  mock-scep-server judge exchanges                      # judges all requests that --save has kept
  mock-scep-server judge capture.pcapng                 # judges those in a packet capture
  mock-scep-server profiles ndes-2016                   # each value and its source
  source <(mock-scep-server completion bash)            # or zsh, or fish: completes options, faults, profiles, keys

exit codes:
  0    success; a mock that a signal ends
  1    judge: a verdict is `fail`
  2    wrong usage, or a file that cannot be read or has mistakes; judge: a request could not be judged
  4    an internal error, or requested output could not be written
  130  interrupted before the end, or before the mock was ready
"""


def _parser() -> SuggestingParser:
    parser = SuggestingParser(
        prog="mock-scep-server",
        description="A SCEP CA for tests that can misbehave on demand. It trusts every client: keep it on loopback.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", nargs="?", default="serve", choices=list(_VERBS))
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="faults, defects: the one to describe; profiles: a profile or a file;  "
        "judge: a message, a request, a --save folder, a HAR, or a pcap; completion: bash, zsh or fish",
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="judge: the key that decrypts the message, PEM")
    parser.add_argument("--version", action="version", version=f"mock-scep-server {__version__}")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: loopback)")
    parser.add_argument("--port", type=int, default=8080, help="port to bind to, 0 for any free one (default: 8080)")
    parser.add_argument(
        "--profile", metavar="NAME|FILE", help="profile of the CA, or your own file, *.yaml (default: rfc8894)"
    )
    parser.add_argument(
        "--caps", metavar="WORDS", help="keywords of GetCACaps: AES,SHA-256 instead of the profile's, or +SHA-384,-AES"
    )
    parser.add_argument(
        "--empty-content", choices=EMPTY_CONTENTS, help="content of FAILURE and PENDING instead of the profile's"
    )
    parser.add_argument("--ra", choices=["none", "single", "split"], help="RA certificates (default: the profile's)")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="a CA as in the ca: section of a scenario; options override it"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one key of that section, or a value of the profile, in YAML",
    )
    parser.add_argument(
        "--tls",
        choices=["trusted", "untrusted", "other-pki"],
        help="serve HTTPS with a certificate from the SCEP CA (trusted), a self-signed one "
        "(untrusted), or one from another CA",
    )
    parser.add_argument(
        "--tls-ca-out",
        type=Path,
        metavar="FILE",
        help="write the CA certificate that a client has to trust for TLS, in PEM",
    )
    parser.add_argument(
        "--tls-client-ca",
        type=Path,
        metavar="FILE",
        help="require a client certificate from these root CAs (PEM), with its chain: a leaf alone is refused",
    )
    parser.add_argument(
        "--tls-name",
        action="append",
        default=[],
        metavar="NAME",
        help="an additional host name or address of the TLS server (repeatable)",
    )
    parser.add_argument(
        "--server-name",
        action="append",
        default=[],
        metavar="NAME",
        help="an additional host name of this server: the NDES page gives no challenge under another one (repeatable)",
    )
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="save each request and reply in this directory, for mfp-sim decode"
    )
    parser.add_argument(
        "--save-keys",
        action="store_true",
        help="with --save: also the content key of each envelope, but no private key",
    )
    parser.add_argument(
        "--control-port",
        type=int,
        metavar="PORT",
        help="control the mock on this loopback port: a JSON API and a web page",
    )
    parser.add_argument("--control-host", metavar="ADDRESS", help="the address of the control port; requires a token")
    _add_secret(parser, "control-token", "the token that the control port requires")
    parser.add_argument(
        "--publish",
        metavar="URL",
        help="the URL of CRL and CA in certificates (default: this server; 'none' omits it)",
    )
    parser.add_argument(
        "--defect",
        action="append",
        default=[],
        metavar="NAME",
        help="a defect of the CA, in effect for every request (repeatable)",
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules, as in the ca.script list of a scenario")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="SLUG[@REQUEST]",
        help="a fault at every request, or at those of one operation or message type (repeatable); instead of --script",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--challenge-file", type=Path, metavar="FILE", help="the challenge password, on one line")
    group.add_argument("--challenge-env", metavar="NAME", help="environment variable with the challenge password")
    group.add_argument("--challenge", metavar="TEXT", help="the challenge password; for test values only")
    group.add_argument(
        "--challenge-command",
        metavar="COMMAND",
        help="a program that decides: it reads subject and challenge as JSON, and accepts with exit code 0",
    )
    _add_keeping(parser)
    parser.add_argument("--json", action="store_true", help="print JSON (faults, defects, profiles)")
    parser.add_argument("--markdown", action="store_true", help="faults: print a Markdown table for each family")
    return parser


def wsgi_options(words: Sequence[str]) -> argparse.Namespace:
    """The options of a mock that a WSGI server runs, for `mock_scep_server.cli_serving.for_wsgi`."""
    return _parser().parsed(["serve", *words])


def _add_keeping(parser: argparse.ArgumentParser) -> None:
    """The options about stored state, your own CA, and the CA certificate to write."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="store the CA and all its records there, and continue with them after a restart",
    )
    _add_secret(parser, "state-passphrase", "encrypts the private keys in --state-dir")
    parser.add_argument("--ca-key", type=Path, metavar="FILE", help="your own CA: its key, PEM, DER or PKCS #12")
    parser.add_argument(
        "--ca-certificate", type=Path, metavar="FILE", help="its certificate, if it is not in the file of the key"
    )
    _add_secret(parser, "ca-key-passphrase", "the passphrase of --ca-key")
    parser.add_argument("--write-ca", type=Path, metavar="FILE", help="write the CA certificate to this file, in PEM")


def _add_secret(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(f"--{name}-file", type=Path, metavar="FILE", help=f"{what}; on one line")
    group.add_argument(f"--{name}-env", metavar="NAME", help="the environment variable that holds it")
    group.add_argument(f"--{name}", metavar="TEXT", help="the value itself; for test values only")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    return run_command("mock-scep-server", lambda: _main(words), for_good=arguments is None)


def _main(words: Sequence[str]) -> tuple[int, bool]:
    """Read the words and run the verb; returns the exit code, and whether the output only explains it."""
    options = _parser().parsed(words)
    explains = options.verb == "serve"
    try:
        return _VERBS[options.verb](options), explains
    except MfpSimError as error:
        print(f"mock-scep-server: {visible(str(error))}", file=sys.stderr)
        return error.exit_code, explains


def _serve(options: argparse.Namespace) -> int:
    from mock_scep_server.cli_serving import serve  # noqa: PLC0415 - --help starts without it

    return serve(options)


def _faults(options: argparse.Namespace) -> int:
    from mfp_sim.shared.documents import did_you_mean  # noqa: PLC0415 - --help starts without it
    from mock_scep_server.faults import FAULTS, listing  # noqa: PLC0415 - --help starts without it

    if options.name is not None and options.name not in FAULTS:
        hint = did_you_mean(options.name, FAULTS) or "mock-scep-server faults lists all"
        raise UsageError(f"there is no fault {options.name!r}", remedy=hint)
    chosen = [FAULTS[options.name]] if options.name else list(FAULTS.values())
    if options.json:
        print(listing.in_json(chosen))
    elif options.markdown:
        print(listing.in_markdown(chosen))
    else:
        print(listing.in_full(chosen[0]) if options.name else listing.in_lines(chosen))
    return 0


def _defects(options: argparse.Namespace) -> int:
    from mock_scep_server import cli_defects  # noqa: PLC0415 - --help starts without it
    from mock_scep_server.faults.defects import DEFECTS  # noqa: PLC0415 - --help starts without it

    chosen = cli_defects.defects_named([options.name] if options.name else DEFECTS)
    if options.json:
        print(cli_defects.in_json(chosen))
    else:
        print(cli_defects.in_full(chosen[0]) if options.name else cli_defects.in_lines(chosen))
    return 0


def _profiles(options: argparse.Namespace) -> int:
    from mock_scep_server.profiles import listing  # noqa: PLC0415 - --help starts without it
    from mock_scep_server.profiles.registry import PROFILES, find_profile  # noqa: PLC0415 - --help starts without it

    chosen = [find_profile(options.name)] if options.name else list(PROFILES.values())
    if options.json:
        rows = [listing.as_json(profile) for profile in chosen]
        print(json.dumps(rows[0] if options.name else rows, indent=2))
    else:
        print(listing.in_full(chosen[0]) if options.name else listing.in_lines(chosen))
    return 0


def _judge(options: argparse.Namespace) -> int:
    from mock_scep_server.cli_judging import judge  # noqa: PLC0415 - --help starts without it

    return judge(options)


def _completion(options: argparse.Namespace) -> int:
    from mock_scep_server.cli_completion import script  # noqa: PLC0415 - --help starts without it

    print(script(_parser(), options.name))
    return 0


_VERBS = {
    "serve": _serve, "faults": _faults, "defects": _defects, "profiles": _profiles, "judge": _judge,
    "completion": _completion,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
