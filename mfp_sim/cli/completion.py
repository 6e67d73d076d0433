"""``mfp-sim completion SHELL``: a script made from the grammar, so that it never lags behind."""

from __future__ import annotations

import argparse
from pathlib import Path

from mfp_sim.cli.options import VERBS, build_parser

__all__ = ["completion"]


def completion(options: argparse.Namespace) -> int:
    """Print the script."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](_options()))
    return 0


def _options() -> dict[str, list[str]]:
    """The long options of each verb."""
    return {
        name: [word for action in parser._actions for word in action.option_strings if word.startswith("--")]
        for name, parser in _parsers().items()
    }


def _parsers() -> dict[str, argparse.ArgumentParser]:
    actions = build_parser()._subparsers._group_actions  # type: ignore[union-attr]
    (verbs,) = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    return dict(verbs.choices)


def _bash(options: dict[str, list[str]]) -> str:
    cases = "\n".join(f"    {name}) words='{' '.join(words)}' ;;" for name, words in options.items())
    values = "\n".join(
        f"    '{name} {word}') {source} ; return ;;"
        for name, parser in _parsers().items()
        for action in parser._actions
        for word in action.option_strings
        if (source := _bash_value(action)) is not None
    )
    first = "\n".join(f"    {name}) {_bash_positional(parser)} ;;" for name, parser in _parsers().items())
    return f"""\
_mfp_sim() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(options)} --help --version' -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}} $before" in
{values}
  esac
  case ${{COMP_WORDS[1]}} in
{cases}
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{first}
  esac
}}
complete -o filenames -F _mfp_sim mfp-sim"""


_FILES = 'COMPREPLY=($(compgen -f -- "$word"))'
_NAMES = 'COMPREPLY+=($(compgen -W "$(mfp-sim {verb} 2>/dev/null | cut -d\' \' -f1)" -- "$word"))'


def _bash_value(action: argparse.Action) -> str | None:
    """What completes the value of an option; None for one without a value."""
    if action.nargs == 0:
        return None
    if action.choices:
        return f"COMPREPLY=($(compgen -W '{' '.join(action.choices)}' -- \"$word\"))"
    names = f"{_FILES}; {_NAMES.format(verb='profiles')}"
    if action.metavar == "NAME|FILE":
        return names
    return _FILES if action.type is Path else ":"


def _bash_positional(parser: argparse.ArgumentParser) -> str:
    """What completes a word that is no option: scenarios and models by name where there are any, files otherwise."""
    places = [action for action in parser._actions if not action.option_strings]
    if any(action.choices for action in places):
        return _bash_value(places[0]) or ":"
    if any(action.dest in ("selection", "ids") for action in places):
        return f"{_FILES}; {_NAMES.format(verb='list')}"
    return f"{_FILES}; {_NAMES.format(verb='profiles')}" if any(a.metavar == "NAME|FILE" for a in places) else _FILES


def _zsh(options: dict[str, list[str]]) -> str:
    sentences = {verb.name: verb.sentence for verb in VERBS}
    verbs = "\n".join(f"    '{name}:{sentences[name]}'" for name in options)
    cases = "\n".join(f"    {name}) compadd -- {' '.join(words)} ;;" for name, words in options.items())
    return f"""\
#compdef mfp-sim
_mfp_sim() {{
  local -a verbs=(
{verbs.replace("scenario's", "scenario")}
  )
  if (( CURRENT == 2 )); then _describe verb verbs; return; fi
  if [[ $words[CURRENT] == -* ]]; then
    case $words[2] in
{cases}
    esac
  else
    _files
    compadd -- ${{(f)"$(mfp-sim list 2>/dev/null | cut -d' ' -f1)"}}
  fi
}}
compdef _mfp_sim mfp-sim"""


def _fish(options: dict[str, list[str]]) -> str:
    lines = [
        f'complete -c mfp-sim -n __fish_use_subcommand -a {verb.name} -d "{verb.sentence}"'
        for verb in VERBS
        if verb.name in options
    ]
    for name, words in options.items():
        lines += [f'complete -c mfp-sim -n "__fish_seen_subcommand_from {name}" -l {word[2:]}' for word in words]
    lines.append(
        "complete -c mfp-sim -n '__fish_seen_subcommand_from run list show' -a \"(mfp-sim list | cut -d' ' -f1)\""
    )
    return "\n".join(lines)
