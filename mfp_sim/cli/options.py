"""The grammar of ``mfp-sim``: the options of each verb. Imports only light modules, so that help is fast."""

from __future__ import annotations

import argparse
from pathlib import Path

from mfp_sim import __version__
from mfp_sim.cli.values import count, long_time, port, rate, seconds, seed, seeds, shard, speed, up_to
from mfp_sim.cli.verbs import VERBS, exit_codes
from mfp_sim.shared.command_line import SuggestingParser
from mfp_sim.shared.reaching import REACH_OPTIONS

__all__ = ["build_parser"]


_SELECTION = "scenario files, directories, names, or globs of names (default: all scenarios of the package)"
_PROCESSES = 256
"""The largest number of processes of an option."""


def build_parser(value: type[argparse.Action] | None = None) -> SuggestingParser:
    """The whole grammar. ``value`` replaces argparse's action for arguments that store a value."""
    parser = SuggestingParser(
        prog="mfp-sim",
        description="A simulated multifunction printer that gets its certificates over SCEP, and tools to test SCEP "
        "clients and servers.",
        epilog="exit codes: 0 success, 1 a scenario or check failed, 2 usage or file error, 3 target unreachable or\n"
        "not SCEP, 4 internal error, 5 nothing selected or nothing judged, 6 a server has a security failure,\n"
        "130 interrupted.\n"
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
            epilog=f"examples:\n{verb.examples}\n\n{exit_codes(verb.name)}",
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
    parser.add_argument("--seed", type=seed, metavar="N", help="use this seed instead of each scenario's own")
    parser.add_argument(
        "--flip", action="append", default=[], metavar="A-nn[=READING]",
        help="use another reading of an assumption (repeatable); default: its second reading;\n"
        "or set a value of the model that depends on it: A-26=key_limit=5",
    )  # fmt: skip


def _json(parser: argparse.ArgumentParser, what: str = "print JSON") -> None:
    parser.add_argument("--json", action="store_true", help=what)


def _jobs(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--jobs", type=up_to(_PROCESSES), default=1, metavar="N", help=what)


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
        "--repeat",
        type=count,
        default=1,
        metavar="N",
        help="run each scenario N times; fail if its traces differ",
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
    parser.add_argument(
        "selection", nargs="*", metavar="PATH",
        help="scenario files, fleet plans, or directories (default: all scenarios of the package)",
    )  # fmt: skip
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
    shells = ["bash", "zsh", "fish"]
    parser.add_argument("shell", choices=shells, metavar="|".join(shells), help="the shell that you use")


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
    safe.add_argument("--budget", type=count, metavar="N", help="request at most N certificates")
    safe.add_argument("--subject-prefix", default="mfp-sim-conform", metavar="TEXT", help="prefix of every subject")
    safe.add_argument("--rate", type=rate, metavar="N", help="send at most N requests per second")
    safe.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="SECONDS", help="for each exchange (default: 30)"
    )
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
    out.add_argument(
        "--jobs", type=up_to(_PROCESSES), default=1, metavar="N", help="with --self-test: processes (default: 1)"
    )
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
    choose.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS",
                        help="for one reply; the client is stopped after four times that (default: 10)")  # fmt: skip
    where = parser.add_argument_group("address of the mock")
    where.add_argument("--host", default="127.0.0.1", help="address to bind to (default: loopback); another computer "
                       "needs\nan address of this one, such as 192.168.1.5")  # fmt: skip
    where.add_argument("--port", type=port, default=0, help="port to bind to (default: any free one)")
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


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: loopback)")
    parser.add_argument(
        "--port", type=port, default=8000, help="port of the first printer's Remote UI, 0 for any free port\n"
        "(default: 8000); further printers use the following ports",
    )  # fmt: skip
    parser.add_argument("--printers", type=up_to(100), default=1, metavar="N", help="number of printers (default: 1)")
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
    parser.add_argument("--speed", type=speed, metavar="N", help="run the simulated clock N times as fast as real time")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="seed of the automatic requests' spread")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="keep the printer's state in DIR, including keys")
    parser.add_argument("--record", type=Path, metavar="FILE", help="record what you do in the browser as a scenario")
    parser.add_argument("--ca", metavar="URL", help="use a real SCEP server instead of the mock")
    parser.add_argument("--ca-port", type=port, default=8080, help="port of the mock, 0 for any free (default: 8080)")
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
    parser.add_argument("of", nargs="?", choices=["scenario", "fleet"], default="scenario", metavar="scenario|fleet",
                        help="which schema (default: scenario)")  # fmt: skip


def _explore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=count, metavar="N", help="number of cases (default: 2000, or all in --time)")
    parser.add_argument("--time", type=long_time, metavar="TIME", help="search this long: 90s, 10m, 8h")
    parser.add_argument("--first", action="store_true", help="stop at the first failure (default: after ten)")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="another search (default: 1)")
    parser.add_argument("--jobs", type=up_to(_PROCESSES), default=1, metavar="N",
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
    again.add_argument("--shard", type=shard, metavar="I/N", help="on the I-th of N computers")
    again.add_argument("--merge", type=Path, nargs="+", metavar="FILE", help="make one result of several explore.json")
    again.add_argument("--out", type=Path, metavar="DIR", help="write explore.json, and a scenario for each failure")
    again.add_argument("--list", action="store_true", help="list the rules, and the situations to be reached")
    _json(parser)
    server = parser.add_argument_group("a real server (--seeds counts its cases)")
    server.add_argument("--ca", dest="url", metavar="URL", help="search this SCEP server for wrong decisions")
    server.add_argument("--budget", type=count, default=200, metavar="N",
                        help="request at most N certificates (default: 200)")  # fmt: skip
    server.add_argument("--keep-going", action="store_true", help="continue after a breach of security")
    server.add_argument("--i-may-search-this-server", action="store_true", help="allow a server on another computer")
    server.add_argument("--subject-prefix", default="mfp-sim-explore", metavar="TEXT", help="prefix of every subject")
    server.add_argument("--rate", type=rate, metavar="N", help="send at most N requests per second")
    server.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="SECONDS", help="for each exchange (default: 30)"
    )
    server.add_argument("--ca-fingerprint", metavar="HEX", help="expected fingerprint of the CA certificate")
    _conform_operator(parser)
    _conform_challenge(parser)
    _reach(parser, "reaching the server")
    parser.set_defaults(persona="rfc8894", read_only=False, quick=False, slow="0s", allow=[])


def _fleet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plans", nargs="+", type=Path, metavar="PLAN",
                        help="a plan's file, or the name of a plan of the package; with --merge, reports")  # fmt: skip
    parser.add_argument("--days", type=up_to(36_500), metavar="N", help="number of days, instead of the plan's")
    chance = parser.add_mutually_exclusive_group()
    chance.add_argument("--seed", type=seed, metavar="N", help="use this seed instead of the plan's")
    chance.add_argument(
        "--seeds",
        type=seeds,
        metavar="A..B",
        help="one run per seed (at most 10000); report the median of each\nfigure",
    )
    parser.add_argument(
        "--jobs", type=up_to(_PROCESSES), default=1, metavar="N", help="processes for several runs (default: 1)"
    )
    parser.add_argument(
        "--find",
        choices=["workers"],
        help="search for the smallest CA at which no request fails; exit\ncode 1 if there is none",
    )
    parser.add_argument("--real", nargs="?", type=count, const=0, metavar="N",
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
    kind.add_argument("--rate", type=rate, metavar="N", help="start N enrolments a second, even if others still run")
    kind.add_argument(
        "--clients", type=up_to(10_000), metavar="N", help="N clients, each with one enrolment after another"
    )
    how.add_argument("--certificates", type=up_to(1_000_000), metavar="N", help="request at most N certificates")
    how.add_argument("--ramp", type=seconds, metavar="SECONDS", help="time in which the rate rises to its value")
    how.add_argument("--timeout", type=seconds, metavar="SECONDS", help="per exchange (default: 30)")
    how.add_argument("--seed", type=seed, metavar="N", help="seed of the times at which enrolments begin")
    safe = parser.add_argument_group("safety")
    safe.add_argument("--i-may-load-this-server", action="store_true", help="allow a server on another computer")
    safe.add_argument("--subject-prefix", default="mfp-sim-load", metavar="TEXT",
                      help="start of every common name (default: mfp-sim-load)")  # fmt: skip
    _secret(parser, "challenge", "the challenge password")
    _reach(parser, "reaching the server, without a proxy", proxies=False)
    keys = parser.add_argument_group("key pairs (default: made for the run)")
    keys.add_argument("--keys", type=Path, metavar="FILE", help="PEM file of keys; a run uses each key once")
    keys.add_argument(
        "--make-keys", type=up_to(1_000_000), metavar="N", help="only make N keys and write them to --keys"
    )
    keys.add_argument("--key-bits", type=int, choices=[2048, 3072, 4096], default=2048, help="default: 2048")
    where = parser.add_argument_group("processes and computers")
    where.add_argument(
        "--processes", type=up_to(_PROCESSES), default=1, metavar="N", help="workers on this computer (default: 1)"
    )
    role = where.add_mutually_exclusive_group()
    role.add_argument("--master", action="store_true", help="collect the results of workers on other computers")
    role.add_argument("--worker", action="store_true", help="work for a master on another computer")
    where.add_argument(
        "--expect-workers", type=up_to(10_000), default=1, metavar="N", help="workers in all (default: 1)"
    )
    where.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="address of the master (default: "
                       "loopback);\nits port has no password: use a private network")  # fmt: skip
    where.add_argument("--master-host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1")
    where.add_argument("--master-port", type=port, default=5557, metavar="PORT", help="default: 5557")
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
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="SECONDS",
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
    out.add_argument("--exchanges", type=count, metavar="N", help="stop after N exchanges")
    out.add_argument("--once", action="store_true", help="stop when a request is granted or refused")
    out.add_argument("--json", action="store_true", help="one JSON object per line: each exchange, and the summary")
    _reach(parser, "reaching the CA")


_ARGUMENTS = {
    "run": _run, "new": _new, "list": _list, "show": _show, "explain": _explain, "check": _check, "schema": _schema,
    "coverage": _coverage, "profiles": _profiles, "power-points": _power_points, "diff": _diff, "decode": _decode,
    "fleet": _fleet, "load": _load, "serve": _serve, "proxy": _proxy, "conform": _conform, "examine": _examine,
    "explore": _explore, "completion": _completion, "report": _report,
}  # fmt: skip
