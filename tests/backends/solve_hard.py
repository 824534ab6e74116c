"""A program that solves a hard model, to be interrupted or killed: prints the id of its solver process first."""

from __future__ import annotations

import json
import sys

from nnmip.backends.process import Session
from nnmip.backends.protocol import Event, Incumbent
from tests.backends.models import market_split


def main(solver: str) -> None:
    told = False

    def on_event(event: Event) -> None:
        nonlocal told
        if not told and (isinstance(event, Incumbent) or event.dual_bound is not None):
            told = True
            print(session.process_id, flush=True)

    with Session() as session:
        answer = session.solve(market_split(0, 4, 40), solver, on_event=on_event)
    print(json.dumps([answer.termination, answer.objective, answer.dual_bound]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
