"""The verbs of ``mfp-sim``, with the examples and the exit codes of their help."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["VERBS", "Verb", "exit_codes"]


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
  mfp-sim run scenarios/polling 'fail-info*'    # a directory, and names by glob
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
  mfp-sim examine --manual --quick --host 192.168.1.5 # a device with buttons: shows each task and asks
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

_EVERY: Mapping[int, str] = {
    0: "success",
    2: "wrong usage, or a file that cannot be read or has mistakes",
    4: "an internal error, or requested output could not be written",
    130: "interrupted (Ctrl-C, SIGTERM, or a terminal that closes)",
}
"""What the exit codes of every verb mean."""
_NO_SCENARIO = "no scenario was selected"
_NOT_YET = "interrupted before it was ready"
_CODES: Mapping[str, Mapping[int, str]] = {
    "run": {
        0: "every scenario is as expected",
        1: "a scenario is not as expected, or could not run while others did",
        2: "wrong usage, or files with mistakes and nothing else to run",
        3: "the server of --ca cannot be reached, or does not speak SCEP",
        5: f"{_NO_SCENARIO}, or every scenario was skipped",
    },
    "list": {5: _NO_SCENARIO},
    "show": {1: "the scenario is not as expected", 5: f"{_NO_SCENARIO}, or it was skipped"},
    "explain": {5: "--search found nothing"},
    "check": {
        0: "no mistakes",
        1: "with --assumptions: `assumes` differs from what was measured",
        2: "wrong usage, or a file has mistakes",
        5: "there was no file to check",
    },
    "coverage": {1: "with --manual, --rfc or --field: an entry fails", 5: _NO_SCENARIO},
    "power-points": {
        1: "with --cut: the printer is not sound after a power failure",
        5: "with --cut: the scenario has no power point",
    },
    "diff": {0: "they are the same", 1: "they differ", 2: "wrong usage, or one of them cannot be read"},
    "conform": {
        0: "everything is as expected",
        1: "a check failed, a printer model does not work, the baseline does not match, or the run stopped early",
        3: "the server cannot be reached, does not speak SCEP, or does not grant a right request",
        5: "no check was selected, or nothing was judged",
        6: "a security failure that the baseline does not expect, regardless of other results",
    },
    "examine": {
        0: "nothing fails; with a baseline: everything is as expected",
        1: "the client fails in a situation, or the baseline does not match",
        3: "the client does not enrol although nothing is wrong, so nothing was proved",
        5: "no situation was selected, or none of them was judged",
    },
    "explore": {
        0: "every rule held",
        1: "a rule did not hold",
        3: "with --ca: nothing was proved",
        5: "no case was run",
        6: "with --ca: a breach of security",
    },
    "fleet": {
        0: "everything is as expected",
        1: "a limit of `expect` is not met, --find found no CA that is large enough, or --real differs from the model",
    },
    "load": {1: "the run is invalid or stopped early, an enrolment failed, or a serial number was used twice"},
    "serve": {0: "success: Ctrl-C, SIGTERM or a terminal that closes ended it", 130: _NOT_YET},
    "proxy": {
        0: "success; without --once and --exchanges: Ctrl-C, SIGTERM or a terminal that closes ended it",
        130: _NOT_YET,
        1: "with --once or --exchanges: an enrolment was not granted, no client requested a certificate, or a signal "
        "ended the proxy before that",
    },
}
"""What the exit codes of a verb mean, as far as they differ from `_EVERY`."""


def exit_codes(verb: str) -> str:
    """The exit codes of a verb, for its help."""
    codes = sorted({**_EVERY, **_CODES.get(verb, {})}.items())
    lines = [textwrap.fill(text, 78, initial_indent=f"  {code:<5}", subsequent_indent=" " * 7) for code, text in codes]
    return "\n".join(("exit codes:", *lines))
