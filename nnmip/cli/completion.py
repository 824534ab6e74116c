"""`nnmip completion`: completion of commands, options, files and words in the user's shell."""

from __future__ import annotations

import click

from nnmip.cli.common import ExitCode

VARIABLE = "_NNMIP_COMPLETE"
"""What the script sets when it asks `nnmip` what could follow."""

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the script that makes SHELL complete commands, options, files, solvers, words and codes.

    \b
    Load it where your shell starts:
      eval "$(nnmip completion bash)"     in ~/.bashrc (bash 4.4 or later)
      eval "$(nnmip completion zsh)"      in ~/.zshrc, after compinit
      nnmip completion fish | source      in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from nnmip.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    script = found(cli, {}, "nnmip", VARIABLE)
    click.echo(script.source_template % script.source_vars())
    return ExitCode.YES
