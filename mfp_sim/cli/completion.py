"""``mfp-sim completion SHELL``: a script that shtab makes from the grammar, so that it is always up to date.

The names of scenarios and models are looked up when a word is completed; ids are those of this version.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import shtab

from mfp_sim.cli.explain import entries
from mfp_sim.cli.new import KINDS
from mfp_sim.cli.options import build_parser
from mfp_sim.conformance.personas import PERSONAS
from mfp_sim.conformance.printers import MODELS
from mfp_sim.conformance.registry import all_checks
from mfp_sim.examination.situations import situations
from mfp_sim.proxy.wire_faults import applicable
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.loader import WrittenScenario
from mfp_sim.shared.catalogue.registry import assumptions
from mfp_sim.shared.documents.records import Record, record_of
from mock_scep_server.faults import FAULTS
from mock_scep_server.profiles.registry import PROFILES as CA_PROFILES
from mock_scep_server.setup import CA_KEYS, VALUE_KEYS

__all__ = ["completion"]

_PLACES = {
    "bash": "Write it to ~/.local/share/bash-completion/completions/mfp-sim; bash-completion finds it there.",
    "zsh": 'Write it to "${fpath[1]}/_mfp-sim", or to another directory of fpath, before compinit runs.',
    "fish": "Write it to ~/.config/fish/completions/mfp-sim.fish.",
}
"""Where each shell finds the script, as in the examples of the help; shtab's own header has other places."""
_PREAMBLE = {
    "bash": """\
_mfp_sim_scenarios() { compgen -f -- "$1"; compgen -W "$(mfp-sim list 2>/dev/null | cut -d' ' -f1)" -- "$1"; }
_mfp_sim_profiles() { compgen -f -- "$1"; compgen -W "$(mfp-sim profiles 2>/dev/null | cut -d' ' -f1)" -- "$1"; }
_mfp_sim_ids() { compgen -W '{ids}' -- "$1"; }
""",
    "zsh": """\
_mfp_sim_scenarios() { _files; compadd -- ${(f)"$(mfp-sim list 2>/dev/null | cut -d' ' -f1)"}; }
_mfp_sim_profiles() { _files; compadd -- ${(f)"$(mfp-sim profiles 2>/dev/null | cut -d' ' -f1)"}; }
_mfp_sim_ids() { compadd -- {ids}; }
""",
    "fish": "function _mfp_sim_ids; printf '%s\\n' {ids}; end\n",
}


def _ids() -> Iterable[str]:
    """Everything that ``explain`` explains."""
    return dict.fromkeys(entry.id for entry in entries())


def _readings() -> Iterator[str]:
    """The values of ``--flip``."""
    for entry in assumptions().values():
        yield from (f"{entry.id}={reading}" for reading in entry.readings[1:])


def _changes() -> Iterator[str]:
    """The values of ``run --set``: keys of a scenario, of its printer and of its CA, each with its sign."""
    written = record_of(WrittenScenario)
    printer = written.keys["printer"].kind
    yield from (f"{key}=" for key in written.keys if key in ("clock", "seed", "keys"))
    yield from (f"printer.{key}=" for key in (printer.keys if isinstance(printer, Record) else ()))
    yield from (f"ca.{key}=" for key in (*CA_KEYS, *VALUE_KEYS))


def _tags() -> Iterable[str]:
    return sorted({tag for scenario in select(()) for tag in scenario.tags})


_WORDS: Mapping[tuple[str, ...], Mapping[str, Callable[[], Iterable[str]]]] = {
    ("run", "show", "power-points"): {"flip": _readings, "tag": _tags},
    ("run",): {"set": _changes},
    ("list", "coverage"): {"tag": _tags},
    ("new",): {"kind": lambda: KINDS, "fault": lambda: FAULTS},
    ("conform",): {
        "only": all_checks, "skip": all_checks, "printer": lambda: MODELS, "persona": lambda: PERSONAS,
    },
    ("examine",): {"only": lambda: (situation.id for situation in situations())},
    ("proxy",): {"fault": lambda: (entry.slug for entry in applicable())},
    ("serve",): {"ca_profile": lambda: CA_PROFILES},
}  # fmt: skip
"""The words that a shell suggests for the options of verbs; other values are accepted too."""


def _names(verb: str, function: str) -> dict[str, str]:
    fish = f"(__fish_complete_path (commandline -ct); mfp-sim {verb} 2>/dev/null | cut -d' ' -f1)"
    return {"bash": function, "zsh": function, "fish": fish}


_SCENARIOS, _PROFILES = _names("list", "_mfp_sim_scenarios"), _names("profiles", "_mfp_sim_profiles")
_IDS = {"bash": "_mfp_sim_ids", "zsh": "_mfp_sim_ids", "fish": "(_mfp_sim_ids)"}
_BASH_END = """
_mfp_sim() {  # no blank after the KEY= of --set
  _shtab_mfp_sim "$@"
  [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o filenames -o bashdefault -F _mfp_sim mfp-sim"""


class _Value(argparse.Action):
    """An argument with a value; `complete` is what shtab makes a shell suggest for it. It never parses anything."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if self.metavar == "NAME|FILE":
            self.complete: Any = _PROFILES
        elif self.dest in ("selection", "first", "second"):
            self.complete = _SCENARIOS
        elif self.dest == "ids":
            self.complete = _IDS
        elif self.type is Path or (not self.option_strings and not self.choices):
            self.complete = shtab.FILE


def completion(options: argparse.Namespace) -> int:
    """Print the script."""
    parser = build_parser(_Value)
    ids = " ".join(word for word in _ids() if "[" not in word)
    _suggest(parser)
    # A shell's braces are not those of str.format.
    preamble = _PREAMBLE[options.shell].replace("{ids}", ids)
    script = shtab.complete(parser, options.shell, preamble=preamble)
    print(re.sub(r"(?m)^# Usage:\n(?:#.*\n)+", f"# {_PLACES[options.shell]}\n", script, count=1))
    if options.shell == "bash":  # makes the shell end directories in a slash, and quote file names
        print(_BASH_END)
    return 0


def _suggest(parser: argparse.ArgumentParser) -> None:
    """Give the options of each verb their words."""
    (verbs,) = (action.choices for action in parser._actions if isinstance(action.choices, Mapping))
    for verb, sub in verbs.items():
        for action in sub._actions:
            words = [make for names, made in _WORDS.items() if verb in names
                     for dest, make in made.items() if dest == action.dest]  # fmt: skip
            if words:
                action.choices = tuple(words[0]())
