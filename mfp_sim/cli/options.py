"""The grammar of ``mfp-sim``: verbs, options, help with examples. Imports only light modules, so that help is fast."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from mfp_sim import __version__
from mfp_sim.shared.reaching import REACH_OPTIONS

__all__ = ["VERBS", "build_parser"]


_SELECTION = "scenario files, directories, names, or globs of names (default: all scenarios of the package)"


@dataclass(frozen=True)
class Verb:
    """One verb, with the module below ``mfp_sim.cli`` and the function that implement it."""

    name: str
    sentence: str
    module: str
    function: str
    examples: str


VERBS = (
    Verb("run", "run scenarios", "run", "run", """\
  mfp-sim run                                   # every scenario of the package
  mfp-sim run scenarios/polling 'detail-*'      # a directory, and names by glob
  mfp-sim run my.scenario.yaml --report out     # HTML, Markdown, JUnit, JSON, traces
  mfp-sim run --tag smoke --jobs 4 -x           # in four processes, stop at the first failure
  mfp-sim run my.scenario.yaml --watch          # again after each change of the file
  mfp-sim run NAME --flip A-22=5xx              # under another reading of an assumption
  mfp-sim run --profile my-printer.yaml         # with another printer model
  mfp-sim run NAME --set ca.profile=lenient     # with another value in the file
  mfp-sim run --ca http://ca.example/scep --challenge-file secret.txt
  mfp-sim run --ca https://ca.example/scep --tls-ca web.pem --profile my-printer.yaml   # a model that speaks HTTPS
  mfp-sim run NAME --state-dir state            # keep what the printer stores in state/NAME/printer-1
  mfp-sim run --repeat 3 --shuffle              # check that traces are the same each time, in any order"""),
    Verb("new", "write a scenario file to begin with", "new", "new", """\
  mfp-sim new                                   # asks for name and kind
  mfp-sim new my-scenario                       # a manual request, in my-scenario.scenario.yaml
  mfp-sim new slow-ca --kind pending --directory tests
  mfp-sim new odd-nonce --fault nonce-mismatch"""),
    Verb("list", "list scenarios", "look", "list_scenarios", """\
  mfp-sim list
  mfp-sim list --tag polling --json"""),
    Verb("show", "show what happens in a scenario step by step, with virtual times", "look", "show", """\
  mfp-sim show deferred-twice-then-issued
  mfp-sim show my.scenario.yaml --seed 3"""),
    Verb("explain", "explain a requirement, assumption, fault, check, step or scenario, or search them", "explain",
         "explain", """\
  mfp-sim explain MFP-POLL-03
  mfp-sim explain A-22 SCEP-3.2.1.4-02 reset
  mfp-sim explain auto_request status           # a step, a field of expect: their fields, with an example
  mfp-sim explain --search lost reply           # everything that contains both words, best first"""),
    Verb("check", "report all mistakes in scenarios and fleet plans, without running them", "look", "check", """\
  mfp-sim check scenarios
  mfp-sim check my.scenario.yaml
  mfp-sim check --assumptions my.scenario.yaml  # runs it: does `assumes` name the right assumptions?
  mfp-sim check --assumptions scenarios --jobs 4 --write"""),
    Verb("schema", "print the JSON schema of scenario files or fleet plans, for editors", "look", "schema", """\
  mfp-sim schema > scenario.schema.json
  mfp-sim schema fleet > fleet.schema.json"""),
    Verb("coverage", "list which requirements the scenarios show", "survey", "coverage", """\
  mfp-sim coverage
  mfp-sim coverage --manual                     # each statement of the manual, its scenarios and verdicts
  mfp-sim coverage --field --markdown
  mfp-sim coverage my-scenarios --missing MFP"""),
    Verb("profiles", "list the printer models, or one model's values and their sources", "survey", "profiles", """\
  mfp-sim profiles
  mfp-sim profiles canon-ir-adv-dx --json
  mfp-sim profiles my-printer.yaml              # reads the file and reports its mistakes
  mfp-sim profiles --schema > profile.schema.json"""),
    Verb("power-points", "list the points of a scenario at which the power can fail, or test each", "survey",
         "power_points", """\
  mfp-sim power-points deferred-twice-then-issued
  mfp-sim power-points deferred-twice-then-issued --cut     # is the printer sound after each power failure?
  mfp-sim power-points look-while-it-is-processed --every 250ms --cut     # and during a slow exchange?"""),
    Verb("report", "convert a JSON report to HTML, Markdown, JUnit or GitHub annotations", "report", "report", """\
  mfp-sim report out/report.json -o report.html
  mfp-sim report out/report.json --lang nb -o rapport.html
  mfp-sim report out/report.json --format markdown >> "$GITHUB_STEP_SUMMARY"
  mfp-sim report out/report.json --format json --pretty | less
  mfp-sim report out/report.json --format json -o report.json.gz
  mfp-sim report new/report.json --since old/report.json -o new/report.html   # what was fixed, what is new
  mfp-sim report --schema > report.schema.json"""),
    Verb("decode", "print a SCEP message, CSR, certificate or HTTP exchange in readable form", "decode",
         "decode", """\
  mfp-sim decode request.der
  mfp-sim decode reply.http --key printer-key.pem           # opens the envelope
  mfp-sim decode capture.pcapng --json                      # each message in a packet capture
  curl -s 'http://ca.example/scep?operation=GetCACert' | mfp-sim decode - --json"""),
    Verb("diff", "show the fields in which two traces, reports, scenarios or messages differ", "diff", "diff", """\
  mfp-sim diff deferred-twice-then-issued refused-after-pending   # two scenarios: what they do differently
  mfp-sim diff old.scenario.yaml new.scenario.yaml
  mfp-sim diff out-1/report.json out-2/report.json
  mfp-sim diff out-1/traces/NAME.jsonl out-2/traces/NAME.jsonl
  mfp-sim diff theirs.der ours.der"""),
    Verb("conform", "check a SCEP server against RFC 8894, and whether the printer models work with it", "conform",
         "conform", """\
  mfp-sim conform http://ca.example/scep --challenge-file secret.txt --report out
  mfp-sim conform https://ca.example/scep --tls-ca web.pem --tls-cert client.pem --proxy http://proxy.example:3128
  mfp-sim conform URL --quick                               # at most 20 certificates; --list --quick shows what it runs
  mfp-sim conform URL --read-only                           # requests no certificate
  mfp-sim conform URL --budget 20 --only MUST --only 3.2.1  # at most 20 certificates; sections, ids, tags
  mfp-sim conform URL --challenge-page http://ndes.example/CertSrv/mscep_admin/ --challenge-page-login-env LOGIN
  mfp-sim conform URL --revoke-command "sh revoke.sh"       # the command gets SCEP_SERIAL
  mfp-sim conform URL --report out --share                  # a report that does not name the site
  mfp-sim conform URL --baseline baseline.yaml              # exit code 1 for any difference, better or worse
  mfp-sim conform URL --only refuses-bad-signature          # repeat one check
  mfp-sim conform --list
  mfp-sim conform --self-test --jobs 2                      # prove every check
  mfp-sim conform --questionnaire questions.md"""),
    Verb("examine", "run a SCEP client against the mock in every situation and judge what it does", "examine",
         "examine", """\
  mfp-sim examine --client scepclient --report out    # a client with a wrapper in the package
  mfp-sim examine --client "sh my-client.sh"          # your own, behind the protocol of docs/reference/clients.md
  mfp-sim examine --client ./my-client --only refuses # replies to refuse; ids, patterns, requirements
  mfp-sim examine --client ./my-client --ca 'profile: ndes-2016, ra: split'
  mfp-sim examine --client ./my-client --baseline expected.yaml
  mfp-sim examine --manual --quick                    # a device with buttons: shows each task and asks
  mfp-sim examine --list"""),
    Verb("explore", "search for a combination in which a rule does not hold, and shrink it to a scenario", "explore",
         "explore", """\
  mfp-sim explore                                  # 2000 cases
  mfp-sim explore --time 10m --jobs 2 --out found  # for ten minutes; a scenario file for each failure
  mfp-sim explore --seeds 500 --printers 3 --profile canon-legacy
  mfp-sim explore --against old/bin/python         # what does this version do differently from another one?
  mfp-sim explore --replay 7:12.85                 # one case again, with its scenario
  mfp-sim explore --ca http://127.0.0.1:8080/scep --challenge-file secret.txt --time 5m   # a server's decisions
  mfp-sim explore --list                           # the rules, and what a long search should reach
  mfp-sim explore --time 8h --shard 1/4 --out a    # on each of four computers, with its own shard
  mfp-sim explore --merge a/explore.json b/explore.json --out all"""),
    Verb("fleet", "run many printers on one CA in virtual time, to size the CA", "fleet", "fleet", """\
  mfp-sim fleet printers-09-00                     # a plan of the package
  mfp-sim fleet my.fleet.yaml --report out         # HTML with charts, JSON, CSV
  mfp-sim fleet my.fleet.yaml --find workers       # the smallest CA at which no request fails
  mfp-sim fleet my.fleet.yaml --seeds 0..49 --jobs 4
  mfp-sim fleet my.fleet.yaml --real 200           # 200 real printers, real messages: does the model agree?
  mfp-sim fleet --merge a/fleet.json b/fleet.json --report out"""),
    Verb("load", "enrol at a real server at a given rate, and measure what it can bear", "load", "load", """\
  mfp-sim load http://127.0.0.1:8080/scep --challenge-file secret.txt          # 100 certificates, 5 a second
  mfp-sim load plan.fleet.yaml --rate 50 --certificates 2000 --processes 2 --report out
  mfp-sim load https://127.0.0.1/scep --tls-ca ca.pem # over TLS
  mfp-sim load URL --clients 16                    # 16 clients that enrol one after the other
  mfp-sim load --make-keys 5000 --keys keys.pem    # make keys in advance: each takes a quarter of a second
  mfp-sim load URL --keys keys.pem --certificates 5000 --i-may-load-this-server
  mfp-sim load URL --master --expect-workers 4 --bind 10.0.0.1 --keys keys.pem        # on one computer
  mfp-sim load URL --worker --expect-workers 4 --master-host 10.0.0.1 --keys keys.pem # on each of four others"""),
    Verb("proxy", "pass a device's SCEP requests on to its CA; judge, explain and record every exchange", "proxy",
         "proxy", """\
  mfp-sim proxy --listen 127.0.0.1:8081 --to http://ca.example/scep   # give the device http://127.0.0.1:8081/scep
  mfp-sim proxy --listen 0.0.0.0:8081 --to https://ca.example/scep --tls-ca web.pem --save session
  mfp-sim proxy --https --https-ca-out device.pem --to http://ca.example/scep      # HTTPS towards the device
  mfp-sim proxy --to http://ca.example/scep --fault issue-then-reset   # the CA is right, but the network fails
  mfp-sim proxy --to http://ca.example/scep --key ra.pem --save session --save-keys   # decrypt the requests too
  mfp-sim proxy --to http://ca.example/scep --once --json | jq .      # in CI: ends with the first decision
  mfp-sim proxy --replay session                # replay the server's replies, without a CA
  mfp-sim proxy --list-faults"""),
    Verb("serve", "serve printers with their Remote UI for a browser, and the mock CA", "serve", "serve", """\
  mfp-sim serve                                 # a printer at http://127.0.0.1:8000/; you move its time
  mfp-sim serve --challenge-file secret.txt --start 2026-03-02T08:00
  mfp-sim serve --speed 3600                    # the printer's time passes an hour a second
  mfp-sim serve --clock system --state-dir ~/printer
  mfp-sim serve --ca http://ca.example/scep     # a real server, on the real clock
  mfp-sim serve --record mine.scenario.yaml     # records a scenario; then: mfp-sim run mine.scenario.yaml"""),
    Verb("completion", "print a completion script for a shell", "completion", "completion", """\
  mfp-sim completion bash > ~/.local/share/bash-completion/completions/mfp-sim
  mfp-sim completion zsh > "${fpath[1]}/_mfp-sim"
  mfp-sim completion fish > ~/.config/fish/completions/mfp-sim.fish"""),
)  # fmt: skip


def build_parser(value: type[argparse.Action] | None = None) -> argparse.ArgumentParser:
    """The whole grammar. ``value`` replaces argparse's action for arguments that store a value."""
    parser = argparse.ArgumentParser(
        prog="mfp-sim",
        description="A simulated multifunction printer that gets its certificates over SCEP, and tools to test SCEP "
        "clients and servers.",
        epilog="exit codes: 0 success, 1 a scenario or check failed, 2 usage or file error, 3 target unreachable or\n"
        "not SCEP, 4 internal error, 5 nothing selected, 6 a server has a security failure, 130 interrupted.\n"
        "mfp-sim VERB --help shows the options of a verb, with examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mfp-sim {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        sub = verbs.add_parser(
            verb.name,
            help=verb.sentence,
            description=verb.sentence[:1].upper() + verb.sentence[1:] + ".",
            epilog=f"examples:\n{verb.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(entry=verb, parser=sub)
        if value is not None:
            sub.register("action", None, value)
        _ARGUMENTS[verb.name](sub)
    return parser


def _selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("selection", nargs="*", metavar="PATH|NAME|GLOB", help=_SELECTION)
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="TAG",
        help="only scenarios with this tag (repeatable: any of them)",
    )


def _conditions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=_seed, metavar="N", help="use this seed instead of each scenario's own")
    parser.add_argument(
        "--flip", action="append", default=[], metavar="A-nn[=READING]",
        help="use another reading of an assumption (repeatable); default: its second reading;\n"
        "or set a value of the model that depends on it: A-26=key_limit=5",
    )  # fmt: skip


def _json(parser: argparse.ArgumentParser, what: str = "print JSON") -> None:
    parser.add_argument("--json", action="store_true", help=what)


def _jobs(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--jobs", type=_count, default=1, metavar="N", help=what)


def _secret(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(f"--{name}-file", type=Path, metavar="FILE", help=f"file with {what} on its first line")
    group.add_argument(f"--{name}-env", metavar="NAME", help=f"environment variable with {what}")
    group.add_argument(f"--{name}", metavar="TEXT", help=f"{what} itself; only for test values")


def _reach(parser: argparse.ArgumentParser, title: str, *, proxies: bool = True) -> None:
    group = parser.add_argument_group(title)
    for name, how in REACH_OPTIONS.items():
        if proxies or name not in ("proxy", "no-proxy"):
            group.add_argument(f"--{name}", **how)
    if not proxies:
        parser.set_defaults(proxy=None, no_proxy=True)


def _run(parser: argparse.ArgumentParser) -> None:
    _selection(parser)
    _conditions(parser)
    parser.add_argument("--profile", metavar="NAME|FILE", help="use this printer model instead of each scenario's own")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="change a value in each scenario (repeatable): printer.settings.key_limit=3",
    )  # fmt: skip
    _jobs(parser, "number of processes (default: 1)")
    parser.add_argument("--ca", metavar="URL", help="use a real SCEP server instead of the mock, on the system clock")
    _secret(parser, "challenge", "the challenge password for --ca")
    _reach(parser, "reaching the server of --ca")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write reports and traces to DIR")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR",
        help="keep the printers' state in DIR, including private keys; with --ca, a later run continues from it",
    )  # fmt: skip
    _language(parser)
    parser.add_argument(
        "--github", action="store_true",
        help="print annotations for GitHub Actions, and append a summary to $GITHUB_STEP_SUMMARY",
    )  # fmt: skip
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop at the first failure")
    parser.add_argument(
        "--repeat", type=_count, default=1, metavar="N", help="run each scenario N times; fail if its traces differ"
    )
    parser.add_argument("--shuffle", action="store_true", help="run in an order drawn from the seed")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only failures and the summary")
    parser.add_argument("--watch", action="store_true", help="run again after each change of the files, until Ctrl-C")
    _json(parser, "print only the JSON report on standard output")


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="its name, and that of the file")
    parser.add_argument("--kind", metavar="KIND", help="manual (default), automatic, pending, lost-reply, or fault")
    parser.add_argument("--fault", metavar="SLUG", help="the fault of a scenario of the kind fault")
    parser.add_argument("--why", metavar="TEXT", help="what it shows, in a sentence")
    parser.add_argument(
        "--directory", type=Path, default=Path(), metavar="DIR", help="where to write it (default: here)"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def _list(parser: argparse.ArgumentParser) -> None:
    _selection(parser)
    _json(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("selection", nargs=1, metavar="NAME", help="a scenario's name or file")
    parser.set_defaults(tag=[])
    _conditions(parser)
    _json(parser, "print the JSON report of the run")


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ids", nargs="*", metavar="ID",
        help="MFP-…, SCEP-…, F-nn, A-nn, a fault, check, step, field of expect, rule or scenario",
    )  # fmt: skip
    parser.add_argument(
        "--search", nargs="+", metavar="WORD",
        help="list everything that contains all words in its id, title or sentence, best first",
    )  # fmt: skip
    _json(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("selection", nargs="*", metavar="PATH", help=_SELECTION)
    parser.set_defaults(tag=[])
    parser.add_argument("-q", "--quiet", action="store_true", help="do not say what to do next")
    _json(parser, "print the mistakes as JSON")
    parser.add_argument(
        "--assumptions",
        action="store_true",
        help="run each scenario with every other reading of the assumptions, and report the ids that its `assumes` "
        "lacks or names needlessly",
    )
    _jobs(parser, "with --assumptions: number of processes (default: 1)")
    parser.add_argument(
        "--write",
        action="store_true",
        help="with --assumptions: save the measurements in the nearest examined.json, or in a new one at PATH",
    )


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="the shell that you use")


def _conform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", metavar="URL", help="the SCEP server, http(s)://host[:port]/path")
    for option, what in (
        ("--list", "list the checks in the order of the RFC, and the planned ones"),
        ("--self-test", "prove every check with a fault of the mock, in process"),
    ):
        parser.add_argument(option, action="store_true", help=what)
    parser.add_argument(
        "--questionnaire", type=Path, metavar="FILE", help="write questions about what no check can see"
    )
    for part in (_conform_choice, _conform_safety, _conform_operator, _conform_challenge, _conform_results):
        part(parser)
    _reach(parser, "reaching the server")


def _conform_choice(parser: argparse.ArgumentParser) -> None:
    choose = parser.add_argument_group("choice of checks")
    choose.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORD",
        help="only this check, requirement, section, level, chapter or tag (repeatable)",
    )
    choose.add_argument(
        "--quick", action="store_true", help="only the most important checks, one printer, at most 20 certificates"
    )
    choose.add_argument("--skip", action="append", default=[], metavar="WORD", help="leave these out (repeatable)")
    choose.add_argument(
        "--verdict", choices=["rfc", "printers", "both"], default="both", help="which verdicts to give (default: both)"
    )
    choose.add_argument("--printer", action="append", metavar="MODEL", help="only these printer models (repeatable)")
    choose.add_argument(
        "--persona",
        default="rfc8894",
        metavar="NAME",
        help="imitate a client: rfc8894 (default), micromdm, strongswan, certmonger, jscep, windows, apple, cisco-ios",
    )


def _conform_safety(parser: argparse.ArgumentParser) -> None:
    safe = parser.add_argument_group("safety")
    safe.add_argument("--read-only", action="store_true", help="request no certificate")
    safe.add_argument("--budget", type=_count, metavar="N", help="request at most N certificates")
    safe.add_argument("--subject-prefix", default="mfp-sim-conform", metavar="TEXT", help="prefix of every subject")
    safe.add_argument("--rate", type=float, metavar="N", help="send at most N requests per second")
    safe.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for each exchange (default: 30)")
    safe.add_argument("--ca-fingerprint", metavar="HEX", help="expected fingerprint of the CA certificate")
    safe.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=["load", "approval"],
        help="also run checks that send many requests, or that wait for approval (repeatable)",
    )
    safe.add_argument(
        "--slow",
        default="0s",
        metavar="SPAN",
        help="how long a check may wait, such as for a certificate to expire (10m, 2h, 31d)",
    )
    safe.add_argument(
        "--keep-going",
        action="store_true",
        help="continue to request certificates after one that should not exist and is of use to a client",
    )


def _conform_operator(parser: argparse.ArgumentParser) -> None:
    told = "A command gets SCEP_TRANSACTION or SCEP_SERIAL in its environment; exit code 0 means that the act was done."
    group = parser.add_argument_group("the operator of the CA", told)
    approve = group.add_mutually_exclusive_group()
    approve.add_argument(
        "--interactive-approval",
        action="store_true",
        help="ask at the terminal for each approval, also for the printers (three per model)",
    )
    for act, where, what in (
        ("approve", approve, "approves the waiting request, also for the printers"),
        ("reject", group, "rejects the waiting request"),
        ("revoke", group, "revokes the certificate, and returns when the revocation is effective"),
    ):
        where.add_argument(f"--{act}-command", metavar="COMMAND", help=what)


def _conform_challenge(parser: argparse.ArgumentParser) -> None:
    source = parser.add_argument_group("challenge password").add_mutually_exclusive_group()
    source.add_argument("--challenge-file", type=Path, metavar="FILE", help="on its first line")
    source.add_argument("--challenge-env", metavar="NAME", help="in an environment variable")
    source.add_argument(
        "--challenge-command", metavar="COMMAND", help="printed by a command, which runs for each request"
    )
    source.add_argument("--challenge-page", metavar="URL", help="from the admin page of NDES, fetched for each request")
    source.add_argument("--challenge", metavar="TEXT", help="the challenge password; only for test values")
    parser.add_argument(
        "--challenge-page-login-env", metavar="NAME", help="environment variable with user:password for the page"
    )


def _conform_results(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument_group("results")
    out.add_argument(
        "--baseline", type=Path, metavar="FILE", help="the expected failures; any difference fails the run"
    )
    out.add_argument("--strict", action="store_true", help="a warn or a finding also makes the exit code 1")
    out.add_argument(
        "--report", type=Path, metavar="DIR", help="write the reports and the list of certificates into DIR"
    )
    out.add_argument(
        "--share", action="store_true", help="replace hosts, addresses and the CA's names in every output file"
    )
    out.add_argument("--resume", type=Path, metavar="DIR", help="continue the interrupted run whose reports are in DIR")
    out.add_argument("--matrix", type=Path, metavar="FILE", help="with --self-test: the matrix as Markdown")
    out.add_argument("--jobs", type=_count, default=1, metavar="N", help="with --self-test: processes (default: 1)")
    out.add_argument("-q", "--quiet", action="store_true", help="show only what is wrong, and the verdicts")
    out.add_argument("--json", action="store_true", help="print JSON on standard output")


def _examine(parser: argparse.ArgumentParser) -> None:
    who = parser.add_argument_group("the client").add_mutually_exclusive_group()
    who.add_argument("--client", metavar="COMMAND", help="a command that speaks the protocol, or one of: "
                     "scepclient, strongswan, certmonger, printer")  # fmt: skip
    who.add_argument("--manual", action="store_true", help="a device with buttons: you operate it and say what it did")
    parser.add_argument(
        "--list", action="store_true", help="list the situations, and the faults that are left out and why"
    )
    choose = parser.add_argument_group("choice of situations")
    choose.add_argument("--only", action="append", default=[], metavar="WORD",
                        help="a situation, a pattern of ids, a requirement, or a word of --list's first column "
                        "(repeatable: any)")  # fmt: skip
    choose.add_argument("--quick", action="store_true", help="only the most important situations")
    choose.add_argument("--ca", metavar="KEYS", help="the CA, as keys of a scenario's ca section "
                        "(default: rfc8894, or the first at which the client enrols)")  # fmt: skip
    choose.add_argument("--timeout", type=_seconds, default=10.0, metavar="SECONDS",
                        help="for one reply; the client is stopped after four times that (default: 10)")  # fmt: skip
    out = parser.add_argument_group("results")
    out.add_argument(
        "--baseline", type=Path, metavar="FILE", help="the expected failures; any difference fails the run"
    )
    out.add_argument("--strict", action="store_true", help="a warn or a finding also makes the exit code 1")
    out.add_argument("--report", type=Path, metavar="DIR", help="write the reports into DIR")
    out.add_argument("-q", "--quiet", action="store_true", help="show only what is wrong, and the verdict")
    out.add_argument("--json", action="store_true", help="for programs, on standard output")


def _coverage(parser: argparse.ArgumentParser) -> None:
    _selection(parser)
    source = parser.add_mutually_exclusive_group()
    for name, what in (
        ("manual", "the printer's manual"),
        ("rfc", "RFC 8894"),
        ("field", "the known field failures"),
    ):
        source.add_argument(
            f"--{name}", dest="source", action="store_const", const=name, help=f"run them, and list {what} by entry"
        )
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.add_argument("--missing", metavar="PREFIX", help="list only what no scenario covers: MFP, SCEP-3.2, ...")
    _json(parser)


def _profiles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME|FILE", help="show one model, its values and their sources")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of model files, for editors")
    _json(parser)


def _power_points(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("selection", nargs=1, metavar="NAME", help="a scenario's name or file")
    parser.add_argument("--cut", action="store_true", help="let the power fail at each point, and check the printer")
    parser.add_argument(
        "--every", metavar="SPAN", help="use instants during exchanges, this far apart (250ms), instead of the points"
    )
    _conditions(parser)
    _json(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE.json", help="a report as mfp-sim run --report writes it, or .gz"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write to FILE, packed if it ends in .gz (default: stdout)"
    )
    parser.add_argument(
        "--format",
        choices=["html", "markdown", "junit", "github", "json", "badge"],
        default="html",
        help="the output format (default: html)",
    )
    parser.add_argument(
        "--since", type=Path, metavar="FILE.json", help="compare with an earlier conformance run: fixed, new"
    )
    parser.add_argument("--pretty", action="store_true", help="print JSON with one value per line")
    _language(parser)
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of reports instead")


def _language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", choices=["en", "nb"], default="en", help="language of HTML and Markdown reports")


def _decode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE|-", help="DER, PEM, base64, an HTTP request or reply, or a packet capture"
    )
    parser.add_argument("--key", type=Path, metavar="PEM", help="the recipient's private key, to open the envelope")
    _json(parser)


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "first", metavar="FIRST",
        help="a trace, a JSON report, a scenario (file, FILE::NAME or name), or a message as mfp-sim decode reads it",
    )  # fmt: skip
    parser.add_argument("second", metavar="SECOND", help="another of the same kind")
    parser.epilog = "exit codes: 0 they are the same, 1 they differ, 2 one of them cannot be read.\n\n" + (
        parser.epilog or ""
    )


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: loopback)")
    parser.add_argument(
        "--port", type=_port, default=8000, help="port of the first printer's Remote UI, 0 for any free port\n"
        "(default: 8000); further printers use the following ports",
    )  # fmt: skip
    parser.add_argument("--printers", type=_count, default=1, metavar="N", help="number of printers (default: 1)")
    parser.add_argument(
        "--profile", default="canon-ir-adv-dx", metavar="NAME|FILE", help="printer model (default: canon-ir-adv-dx)"
    )
    parser.add_argument("--ip", default="192.0.2.10", help="the first printer's address (default: 192.0.2.10)")
    parser.add_argument("--policy", action="append", default=[], metavar="NAME", help="an IPSec policy (repeatable)")
    parser.add_argument("--timezone", default="Europe/Oslo", metavar="ZONE", help="time zone (default: Europe/Oslo)")
    parser.add_argument(
        "--clock", choices=["frozen", "system"],
        help="frozen: simulated, you move it (default); system: the real time (default with --ca)",
    )  # fmt: skip
    parser.add_argument("--start", metavar="TIME", help="start of a frozen clock: 2026-03-02T08:00 (default: now)")
    parser.add_argument(
        "--speed", type=_speed, metavar="N", help="run the simulated clock N times as fast as real time"
    )
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="seed of the automatic requests' spread")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="keep the printer's state in DIR, including keys")
    parser.add_argument("--record", type=Path, metavar="FILE", help="record what you do in the browser as a scenario")
    parser.add_argument("--ca", metavar="URL", help="use a real SCEP server instead of the mock")
    parser.add_argument("--ca-port", type=_port, default=8080, help="port of the mock, 0 for any free (default: 8080)")
    parser.add_argument(
        "--ca-profile", default="rfc8894", metavar="NAME", help="profile of the mock (default: rfc8894)"
    )
    parser.add_argument("--ra", choices=["none", "single", "split"], help="RA certificates (default: the profile's)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules for the mock, as in a scenario's ca.script")
    _secret(parser, "challenge", "the mock's challenge password")
    _secret(parser, "pin", "the administrator's PIN")
    _reach(parser, "reaching the server of --ca")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print the requests to the mock")


def _schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("of", nargs="?", choices=["scenario", "fleet"], default="scenario",
                        help="which schema (default: scenario)")  # fmt: skip


def _explore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=_count, metavar="N", help="number of cases (default: 2000, or all in --time)")
    parser.add_argument("--time", type=_long_time, metavar="TIME", help="search this long: 90s, 10m, 8h")
    parser.add_argument("--first", action="store_true", help="stop at the first failure (default: after ten)")
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="another search (default: 1)")
    parser.add_argument("--jobs", type=_count, default=1, metavar="N",
                        help="processes; the cases are the same with any number (default: 1)")  # fmt: skip
    what = parser.add_argument_group("what is drawn")
    what.add_argument("--printers", type=int, choices=[1, 2, 3], default=2, metavar="1|2|3",
                      help="at most this many printers at once (default: 2)")  # fmt: skip
    what.add_argument("--profile", action="append", metavar="MODEL", help="only this printer model; repeatable")
    parser.add_argument("--against", metavar="PYTHON",
                        help="also compare every case with the mfp-sim of another interpreter: what does a new\n"
                        "version do differently?")  # fmt: skip
    again = parser.add_argument_group("results")
    again.add_argument("--replay", metavar="CASE", help="run one case again and show its scenario")
    again.add_argument("--shard", type=_shard, metavar="I/N", help="on the I-th of N computers")
    again.add_argument("--merge", type=Path, nargs="+", metavar="FILE", help="make one result of several explore.json")
    again.add_argument("--out", type=Path, metavar="DIR", help="write explore.json, and a scenario for each failure")
    again.add_argument("--list", action="store_true", help="list the rules and the sometimes properties")
    _json(parser)
    server = parser.add_argument_group("a real server (--seeds counts its cases)")
    server.add_argument("--ca", dest="url", metavar="URL", help="search this SCEP server for wrong decisions")
    server.add_argument("--budget", type=_count, default=200, metavar="N",
                        help="request at most N certificates (default: 200)")  # fmt: skip
    server.add_argument("--keep-going", action="store_true", help="continue after a breach of security")
    server.add_argument("--i-may-search-this-server", action="store_true", help="allow a server on another computer")
    server.add_argument("--subject-prefix", default="mfp-sim-explore", metavar="TEXT", help="prefix of every subject")
    server.add_argument("--rate", type=float, metavar="N", help="send at most N requests per second")
    server.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="for each exchange (default: 30)"
    )
    server.add_argument("--ca-fingerprint", metavar="HEX", help="expected fingerprint of the CA certificate")
    _conform_operator(parser)
    _conform_challenge(parser)
    _reach(parser, "reaching the server")
    parser.set_defaults(persona="rfc8894", read_only=False, quick=False, slow="0s", allow=[])


def _fleet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plans", nargs="+", type=Path, metavar="PLAN",
                        help="a plan's file, or the name of a plan of the package; with --merge, reports")  # fmt: skip
    parser.add_argument("--days", type=_count, metavar="N", help="number of days, instead of the plan's")
    chance = parser.add_mutually_exclusive_group()
    chance.add_argument("--seed", type=_seed, metavar="N", help="use this seed instead of the plan's")
    chance.add_argument(
        "--seeds", type=_seeds, metavar="A..B", help="one run per seed; report the median of each figure"
    )
    parser.add_argument("--jobs", type=_count, default=1, metavar="N", help="processes for several runs (default: 1)")
    parser.add_argument("--find", choices=["workers"], help="search for the smallest CA at which no request fails")
    parser.add_argument("--real", nargs="?", type=_count, const=0, metavar="N",
                        help="run N real printers with real messages (at most 1000), and compare them with\n"
                        "the model")  # fmt: skip
    parser.add_argument("--merge", action="store_true", help="merge several reports of one plan")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write fleet.html, fleet.json and fleet.csv to DIR")
    _json(parser)


def _load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", default="", metavar="PLAN|URL", help="a plan with a load section, or a server's URL"
    )
    how = parser.add_argument_group("amount (default: the plan's, or 100 certificates at 5 a second)")
    kind = how.add_mutually_exclusive_group()
    kind.add_argument("--rate", type=_rate, metavar="N", help="start N enrolments a second, even if others still run")
    kind.add_argument("--clients", type=_count, metavar="N", help="N clients, each with one enrolment after another")
    how.add_argument("--certificates", type=_count, metavar="N", help="request at most N certificates")
    how.add_argument("--ramp", type=_seconds, metavar="SECONDS", help="time in which the rate rises to its value")
    how.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="per exchange (default: 30)")
    how.add_argument("--seed", type=_seed, metavar="N", help="seed of the times at which enrolments begin")
    safe = parser.add_argument_group("safety")
    safe.add_argument("--i-may-load-this-server", action="store_true", help="allow a server on another computer")
    safe.add_argument("--subject-prefix", default="mfp-sim-load", metavar="TEXT",
                      help="start of every common name (default: mfp-sim-load)")  # fmt: skip
    _secret(parser, "challenge", "the challenge password")
    _reach(parser, "reaching the server, without a proxy", proxies=False)
    keys = parser.add_argument_group("key pairs (default: made for the run)")
    keys.add_argument("--keys", type=Path, metavar="FILE", help="PEM file of keys; a run uses each key once")
    keys.add_argument("--make-keys", type=_count, metavar="N", help="only make N keys and write them to --keys")
    keys.add_argument("--key-bits", type=int, choices=[2048, 3072, 4096], default=2048, help="default: 2048")
    where = parser.add_argument_group("processes and computers")
    where.add_argument("--processes", type=_count, default=1, metavar="N", help="workers on this computer (default: 1)")
    role = where.add_mutually_exclusive_group()
    role.add_argument("--master", action="store_true", help="collect the results of workers on other computers")
    role.add_argument("--worker", action="store_true", help="work for a master on another computer")
    where.add_argument("--expect-workers", type=_count, default=1, metavar="N", help="workers in all (default: 1)")
    where.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="address of the master (default: "
                       "loopback);\nits port has no password: use a private network")  # fmt: skip
    where.add_argument("--master-host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1")
    where.add_argument("--master-port", type=_port, default=5557, metavar="PORT", help="default: 5557")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write load.html, load.json, serials.txt to DIR")
    _json(parser)


def _proxy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen", default="127.0.0.1:8081", metavar="HOST:PORT", help="address for the device, port 0 for any "
        "free one (default: 127.0.0.1:8081)",
    )  # fmt: skip
    parser.add_argument("--to", metavar="URL", help="the CA, http(s)://host[:port]/path")
    parser.add_argument(
        "--replay", type=Path, metavar="DIR", help="replay the replies in the files of --save, without a CA"
    )
    parser.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS",
                        help="per reply of the CA (default: 60)")  # fmt: skip
    parser.add_argument("--key", type=Path, action="append", default=[], metavar="FILE",
                        help="a private key, PEM, of the CA, its RA or the device: to open envelopes\n"
                        "(repeatable)")  # fmt: skip
    faults = parser.add_argument_group("faults on the way")
    faults.add_argument("--fault", action="append", default=[], metavar="SLUG|YAML",
                        help="apply a fault of HTTP or of the connection: reset, '{http-status: 429}'\n"
                        "(repeatable)")  # fmt: skip
    faults.add_argument("--list-faults", action="store_true", help="list the faults that a proxy can apply")
    tls = parser.add_argument_group("HTTPS for the device")
    tls.add_argument("--https", action="store_true", help="use TLS, with a certificate made for this run")
    tls.add_argument("--https-name", action="append", default=[], metavar="NAME",
                     help="a further host name or address in the certificate (repeatable)")  # fmt: skip
    tls.add_argument("--https-ca-out", type=Path, metavar="FILE", help="write the CA that the device must trust, PEM")
    out = parser.add_argument_group("results")
    out.add_argument("--save", type=Path, metavar="DIR", help="save each request and reply in DIR, a summary, and a "
                     "scenario that repeats what the CA did")  # fmt: skip
    out.add_argument("--save-keys", action="store_true", help="with --save and --key: save each envelope's content key")
    out.add_argument("--show-secrets", action="store_true",
                     help="with --save: do not mask logins, cookies and passwords in URLs")  # fmt: skip
    out.add_argument("--exchanges", type=_count, metavar="N", help="stop after N exchanges")
    out.add_argument("--once", action="store_true", help="stop when a request is granted or refused")
    out.add_argument("--json", action="store_true", help="one JSON object per line: each exchange, and the summary")
    _reach(parser, "reaching the CA")


_ARGUMENTS = {
    "run": _run, "new": _new, "list": _list, "show": _show, "explain": _explain, "check": _check, "schema": _schema,
    "coverage": _coverage, "profiles": _profiles, "power-points": _power_points, "diff": _diff, "decode": _decode,
    "fleet": _fleet, "load": _load, "serve": _serve, "proxy": _proxy, "conform": _conform, "examine": _examine,
    "explore": _explore, "completion": _completion, "report": _report,
}  # fmt: skip


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count from 1")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time from 0.1 to 3600 seconds")
    return number


def _long_time(text: str) -> float:
    from mfp_sim.shared.documents import duration  # noqa: PLC0415 - only explore has it
    from mfp_sim.shared.errors import UsageError  # noqa: PLC0415 - only explore has it

    try:
        return duration(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _shard(text: str) -> tuple[int, int]:
    number, slash, total = text.partition("/")
    if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shard such as 1/4")
    return int(number), int(total)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _rate(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate from above 0 to 10000 a second")
    return number


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal() and text.isascii() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of seeds such as 0..49")
    return range(int(first), int(last) + 1)


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return number


def _speed(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed from above 0 to 1000000")
    return number
