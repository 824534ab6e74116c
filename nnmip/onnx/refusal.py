"""What is wrong with a file, told before anybody knows where in a model it is named."""

from __future__ import annotations


class Refused(Exception):
    """A file that does not become a network; the parts of a diagnostic without its place."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help


def unreadable(message: str, help: str = "") -> Refused:
    """NNM0616: a file that holds no network, or a damaged one."""
    return Refused("NNM0616", message, help or "write the file anew with the tool that made it")


def unsupported(message: str, help: str = "") -> Refused:
    """NNM0617: a sound file with something that a network of the language does not have."""
    return Refused("NNM0617", message, help)
