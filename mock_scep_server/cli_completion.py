"""`mock-scep-server completion SHELL`: a script that shtab makes from the options, with the words of this version."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import shtab

from mfp_sim.shared.errors import UsageError
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.defects import DEFECTS
from mock_scep_server.profiles.registry import PROFILES
from mock_scep_server.setup import CA_KEYS, VALUE_KEYS

__all__ = ["script"]

SHELLS = ("bash", "zsh", "fish")

_OPTIONS: Mapping[str, Callable[[], Iterable[str]]] = {
    "fault": lambda: (slug for slug, entry in FAULTS.items() if entry.in_scripts),
    "defect": lambda: DEFECTS,
    "set": lambda: (f"{key}=" for key in _ca_keys()),
}
"""The words of options that take others too, by the name of the option."""
_OF_VERBS: Mapping[str, Callable[[], Iterable[str]]] = {
    "faults": lambda: FAULTS,
    "defects": lambda: DEFECTS,
    "profiles": lambda: PROFILES,
    "completion": lambda: SHELLS,
}
"""The words of NAME by verb."""


def _suggests(action: Any, complete: Mapping[str, Any]) -> None:
    """Set what shtab reads from an action: by shell, the function that suggests its values."""
    action.complete = complete


def _ca_keys() -> Iterable[str]:
    """The keys of the `ca:` section that `--set` can give; the script and the URL have options of their own."""
    return (key for key in (*CA_KEYS, *VALUE_KEYS) if key not in ("script", "url"))


def script(parser: argparse.ArgumentParser, shell: str | None) -> str:
    """The script for a shell.

    Raises:
        UsageError: the shell is not one of `SHELLS`.
    """
    if shell not in SHELLS:
        raise UsageError(f"completion takes a shell, not {shell or 'nothing'}", remedy=f"one of {', '.join(SHELLS)}")
    for action in parser._actions:  # argparse has no public function that lists the options
        if action.dest in _OPTIONS:
            action.choices = tuple(_OPTIONS[action.dest]())
        elif action.dest == "name":
            _suggests(action, {shell: _name(shell)})
        elif action.dest == "profile":
            _suggests(action, {shell: _words_or_files(shell, PROFILES)})
        elif action.type is Path:
            _suggests(action, shtab.FILE)
    return shtab.complete(parser, shell, preamble=_PREAMBLES[shell]()) + _ENDS[shell]


def _name(shell: str) -> str:
    """What completes NAME: a function of the preamble, or fish's own command."""
    if shell != "fish":
        return "_mock_scep_server_names"
    lists = (f"contains {verb} (commandline -opc); and printf '%s\\n' {' '.join(words())}"
             for verb, words in _OF_VERBS.items())  # fmt: skip
    return f"({'; or '.join(lists)}; or __fish_complete_path (commandline -ct))"


def _words_or_files(shell: str, words: Iterable[str]) -> str:
    if shell != "fish":
        return "_mock_scep_server_profiles"
    return f"(printf '%s\\n' {' '.join(words)}; __fish_complete_path (commandline -ct))"


def _in_bash() -> str:
    cases = "".join(
        f"    *' {verb} '*) compgen -W '{' '.join(words())}' -- \"$1\";;\n" for verb, words in _OF_VERBS.items()
    )
    return f"""\
_mock_scep_server_names() {{
  case " ${{COMP_WORDS[*]}} " in
{cases}    *) compgen -f -- "$1";;
  esac
}}
_mock_scep_server_profiles() {{ compgen -f -- "$1"; compgen -W '{" ".join(PROFILES)}' -- "$1"; }}
"""


def _in_zsh() -> str:
    cases = "".join(f"  if (( ${{words[(I){verb}]}} )); then compadd -- {' '.join(words())}; return; fi\n"
                    for verb, words in _OF_VERBS.items())  # fmt: skip
    return f"""\
_mock_scep_server_names() {{
{cases}  _files
}}
_mock_scep_server_profiles() {{ _files; compadd -- {" ".join(PROFILES)}; }}
"""


_PREAMBLES: Mapping[str, Callable[[], str]] = {"bash": _in_bash, "zsh": _in_zsh, "fish": lambda: ""}
_ENDS = {
    "bash": """
_mock_scep_server() {  # no blank after the KEY= of --set
  _shtab_mock_scep_server "$@"
  [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o filenames -o bashdefault -F _mock_scep_server mock-scep-server""",
    "zsh": "",
    "fish": "",
}
