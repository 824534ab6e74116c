"""The command `nnmip`, also as `python -m nnmip`."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command. Ctrl-C while its modules are read ends the process at once, and not somewhere in them: there is
    nothing to keep yet."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # a shell has processes in the background ignore it
        signal.signal(signal.SIGINT, _leave)
    from nnmip.cli.main import main as command

    signal.signal(signal.SIGINT, usual)
    command()


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
