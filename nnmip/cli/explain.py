"""`nnmip explain`: the page of a word or of a code."""

from __future__ import annotations

import sys

import click

from nnmip.cli.common import ExitCode, wants_colour


def _topics(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The words and codes that start so, in either case."""
    from nnmip.manual import topics

    return [topic for topic in topics() if topic.lower().startswith(incomplete.lower()) and " " not in topic]


@click.command("explain")
@click.argument("topic", metavar="[CODE or WORD]", required=False, shell_complete=_topics)
def command(topic: str | None) -> int:
    """Print the page of a diagnostic code (NNM0312), of a word (relu, hinge, minimize) or of a section of the manual.

    Without a topic, list all of them.
    """
    from nnmip.manual import explain, nearest, topics

    if topic is None:
        click.echo("\n".join(topics()))
        return ExitCode.YES
    text = explain(topic)
    if text is None:
        near = nearest(topic)
        help = f"did you mean `{near}`?" if near else "`nnmip explain` lists all topics"
        raise click.UsageError(f"there is no page on `{topic}`; {help}")
    if wants_colour(sys.stdout):
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        click.echo(text, nl=False)
    return ExitCode.YES
