"""``mfp-sim completion SHELL``: a script made from the grammar, so that it never lags behind."""

from __future__ import annotations

import argparse

from mfp_sim.cli.options import VERBS, build_parser

__all__ = ["completion"]


def completion(options: argparse.Namespace) -> int:
    """Print the script."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](_options()))
    return 0


def _options() -> dict[str, list[str]]:
    """The long options of each verb."""
    actions = build_parser()._subparsers._group_actions  # type: ignore[union-attr]
    (verbs,) = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    return {
        name: [word for action in parser._actions for word in action.option_strings if word.startswith("--")]
        for name, parser in verbs.choices.items()
    }


def _bash(options: dict[str, list[str]]) -> str:
    cases = "\n".join(f"    {name}) words='{' '.join(words)}' ;;" for name, words in options.items())
    return f"""\
_mfp_sim() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(options)} --help --version' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word") $(compgen -W "$(mfp-sim list 2>/dev/null | cut -d' ' -f1)" -- "$word")) ;;
  esac
}}
complete -o filenames -F _mfp_sim mfp-sim"""


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
