"""``mfp-sim completion SHELL``: a script that shtab makes from the grammar, so that it is always up to date."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import shtab

from mfp_sim.cli.options import build_parser

__all__ = ["completion"]

_PREAMBLE = {
    "bash": """\
_mfp_sim_scenarios() { compgen -f -- "$1"; compgen -W "$(mfp-sim list 2>/dev/null | cut -d' ' -f1)" -- "$1"; }
_mfp_sim_profiles() { compgen -f -- "$1"; compgen -W "$(mfp-sim profiles 2>/dev/null | cut -d' ' -f1)" -- "$1"; }
""",
    "zsh": """\
_mfp_sim_scenarios() { _files; compadd -- ${(f)"$(mfp-sim list 2>/dev/null | cut -d' ' -f1)"}; }
_mfp_sim_profiles() { _files; compadd -- ${(f)"$(mfp-sim profiles 2>/dev/null | cut -d' ' -f1)"}; }
""",
    "fish": "",
}


def _names(verb: str, function: str) -> dict[str, str]:
    fish = f"(__fish_complete_path (commandline -ct); mfp-sim {verb} 2>/dev/null | cut -d' ' -f1)"
    return {"bash": function, "zsh": function, "fish": fish}


_SCENARIOS, _PROFILES = _names("list", "_mfp_sim_scenarios"), _names("profiles", "_mfp_sim_profiles")


class _Value(argparse.Action):
    """An argument with a value; `complete` is what shtab makes a shell suggest for it. It never parses anything."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if self.metavar == "NAME|FILE":
            self.complete: Any = _PROFILES
        elif self.dest in ("selection", "ids"):
            self.complete = _SCENARIOS
        elif self.type is Path or (not self.option_strings and not self.choices):
            self.complete = shtab.FILE


def completion(options: argparse.Namespace) -> int:
    """Print the script."""
    print(shtab.complete(build_parser(_Value), options.shell, preamble=_PREAMBLE[options.shell]))
    if options.shell == "bash":  # makes the shell end directories in a slash, and quote file names
        print("complete -o filenames -o bashdefault -F _shtab_mfp_sim mfp-sim")
    return 0
