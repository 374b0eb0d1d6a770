"""`lab completion`: scripts that let a shell complete commands, options and values."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from typing import Annotated, Final

import typer

from ..output.terminal import write

VARIABLE: Final = "_LAB_COMPLETE"
"""Environment variable with which a script asks `lab` for completions. The other variables are typer's, too."""


class Shell(StrEnum):
    """Shells that `lab completion` has a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


# bash itself would split words at `=` and `:`, too. The x makes an empty last word count.
_BASH = """\
_lab_completion() {
    local words line="${COMP_LINE:0:COMP_POINT}"
    read -ra words <<< "${line}x"
    local IFS=$'\\n'
    COMPREPLY=( $(COMP_WORDS="$line" COMP_CWORD=$(( ${#words[@]} - 1 )) _LAB_COMPLETE=complete_bash "$1" 2>/dev/null) )
}
complete -o default -F _lab_completion lab
"""
_ZSH = """\
#compdef lab
_lab_completion() {
    eval "$(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _LAB_COMPLETE=complete_zsh "${words[1]}" 2>/dev/null)"
}
compdef _lab_completion lab
"""
_FISH = """\
function _lab_completion
    env _LAB_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] _TYPER_COMPLETE_ARGS=(commandline -cp) \\
        (commandline -opc)[1] 2>/dev/null
end
complete --command lab --no-files --arguments '(_lab_completion get-args)' --condition '_lab_completion is-args'
"""
_SCRIPTS: Final = {Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH}


def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print the script with which a shell completes `lab`.

    It completes commands, options, and names of scenarios, faults and runs when you press Tab. To install it:

    \b
    bash: echo 'eval "$(lab completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(lab completion zsh)"' >> ~/.zshrc    (after compinit)
    fish: lab completion fish > ~/.config/fish/completions/lab.fish
    """
    write(_SCRIPTS[shell])


def typed_words() -> list[str]:
    """Return the words after `lab` on the command line that a shell wants completed. The last one may be incomplete."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    try:
        return shlex.split(line)[1:]
    except ValueError:  # a quotation mark that is not closed yet
        return line.split()[1:]
