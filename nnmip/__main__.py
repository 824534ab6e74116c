"""The command `nnmip`, also as `python -m nnmip`."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command. Ctrl-C while its modules are read ends the process at once, and not somewhere in them: there is
    nothing to keep yet. After the command all is said, and it does nothing."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as in the background
        signal.signal(signal.SIGINT, _leave)
    from nnmip.cli.main import main as command

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
