"""A stand-in for the solver process that misbehaves as its argument says."""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from nnmip.backends.wire import END_OF_JOB, pack_vector, read_frame, write_frame


def _progress(incumbent: float, bound: float) -> dict[str, object]:
    head = {"kind": "progress", "phase": "search", "nodes": 7, "seconds": 0.1}
    return {**head, "incumbent": incumbent, "dual_bound": bound}


def _result(termination: str, bound: float) -> dict[str, object]:
    head = {"kind": "result", "solver": "highs", "version": "0", "nodes": None, "seconds": 0.1, "message": ""}
    return {**head, "termination": termination, "dual_bound": bound}


def main(mode: str) -> None:
    out = sys.stdout.buffer
    read_frame(sys.stdin.buffer)
    if mode == "deaf":
        write_frame(out, {"kind": "incumbent", "seconds": 0.1}, pack_vector(np.array([1.0, 0.0, 0.0])))
        write_frame(out, _progress(-5.0, -20.0))
        time.sleep(60)
    elif mode == "abort":
        print("last words of the solver", file=sys.stderr, flush=True)
        os.abort()
    elif mode == "exit":
        os._exit(3)
    elif mode == "memory":
        print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr, flush=True)
        os.abort()
    elif mode == "babble":
        out.write(b"Academic licence - for non-commercial use only\n")
        out.flush()
        time.sleep(60)
    elif mode == "broken solution":
        write_frame(out, _result("optimal", -99.0), pack_vector(np.array([3.0, 3.0, 3.0])))
    elif mode == "bound above value":
        write_frame(out, _result("optimal", -1.0), pack_vector(np.array([2.0, 0.0, 1.0])))
    elif mode == "infeasible with solution":
        write_frame(out, {"kind": "incumbent", "seconds": 0.1}, pack_vector(np.array([1.0, 0.0, 0.0])))
        write_frame(out, _result("infeasible", 0.0))
    elif mode == "open gap":
        write_frame(out, _result("optimal", -13.1), pack_vector(np.array([2.0, 0.0, 1.0])))
    os.write(2, f"\n{END_OF_JOB}\n".encode())
    time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1])
