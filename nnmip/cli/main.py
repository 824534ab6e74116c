"""The command `nnmip`: a group of commands that are imported only when run."""

from __future__ import annotations

import gc
import importlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO, TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from nnmip import __version__
from nnmip.cli.common import ExitCode, print_diagnostics
from nnmip.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "check": "Read models and say what is wrong with them.",
    "compile": "Write a model as an exact LP or MPS file for any solver.",
    "completion": "Print the script that completes commands in your shell.",
    "explain": "Explain a diagnostic code, a word or a section of the manual.",
    "fmt": "Rewrite models in the one canonical format.",
    "import-solution": "Bring back the answer of another solver to a compiled model.",
    "init": "Write a small project to start from.",
    "predict": "Apply a saved network to new rows.",
    "show": "Show what a model becomes: layers, decisions, bounds, sizes.",
    "solve": "Find a globally optimal network, prove it and check it.",
    "solvers": "List the solvers and whether they work here.",
    "verify": "Decide properties of trained networks over regions.",
}


class _ReaderGone(Exception):
    """Whoever read our output has closed it, as `| head` does."""


@contextmanager
def _broken_pipes_named() -> Iterator[None]:
    """Keep broken pipes from click, which would end with 1: that says that the answer is no."""
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGone from None


class LazyGroup(click.Group):
    """Lists the commands from a table and imports one only to run it, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"nnmip.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            help = f" did you mean `{near[0]}`?" if near else f" the commands are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command `{args[0]}`;{help}", ctx) from None

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _broken_pipes_named():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _broken_pipes_named():
            return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands from the table, so that none is imported to list them; behind `-`, options."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=help) for name, help in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nnmip")
def cli() -> None:
    """nnmip: neural networks as exact mathematical programs.

    Write a model in a .nnm file; nnmip trains it to a proved global optimum, or compiles it for any MILP solver.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `nnmip` and exit with its code: 0 yes, 1 no, 2 wrong command line, 3 no answer, 4 backend, 70 internal
    error, 130 interrupted."""
    sys.stdout, sys.stderr = sys.stdout or StringIO(), sys.stderr or StringIO()  # whoever started us may close them
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that the terminal cannot show must not end the run
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _interrupt)
    _be_quick()
    sys.exit(run(arguments))


def _be_quick() -> None:
    """Settings of a process that mostly starts and ends, made before NumPy is there."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that wait for large products burn CPU time meanwhile
    gc.set_threshold(50_000)  # modules and trees are no garbage, and looking for some takes a twentieth of a solve


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End like Ctrl-C, so that a solve that is asked to terminate keeps what it found."""
    raise KeyboardInterrupt


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `nnmip` and return its exit code."""
    try:
        code = cli.main(
            args=list(arguments) if arguments is not None else None, prog_name="nnmip", standalone_mode=False
        )
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    except click.ClickException as error:
        error.show()
        return int(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return int(ExitCode.INTERRUPTED)
    except DiagnosticError as error:
        print_diagnostics(error.diagnostics, sys.stderr)
        return int(ExitCode.NO)
    except (_ReaderGone, BrokenPipeError):
        _discard_output()
        return int(ExitCode.YES)
    except OSError as error:
        where = f" `{error.filename}`" if error.filename else " the output"
        sys.stderr.write(f"Error: cannot write or read{where}: {(error.strerror or str(error)).lower()}\n")
        _discard_output()
        return int(ExitCode.USAGE)
    except Exception:
        return _internal_error(arguments)


def _discard_output() -> None:
    """Send what is still buffered nowhere, so that closing the stream does not fail again."""
    if isinstance(sys.stdout, TextIOWrapper):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _internal_error(arguments: Sequence[str] | None) -> int:
    command = shlex.join(["nnmip", *(sys.argv[1:] if arguments is None else arguments)])
    import platform
    import traceback

    sys.stderr.write(traceback.format_exc())
    sys.stderr.write(
        "\ninternal error[NNM0901]: this is a defect of nnmip, not of your model; please report it with these lines\n"
        f"  nnmip {__version__}, Python {platform.python_version()}, {platform.platform()}\n  {command}\n"
    )
    return int(ExitCode.INTERNAL)
