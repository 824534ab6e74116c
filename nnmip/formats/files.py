"""Model files by suffix: write a model with its names file, read a model back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nnmip.formats.atomic import atomic_file
from nnmip.formats.lp import write_lp
from nnmip.formats.mps import write_mps
from nnmip.formats.names import OBJECTIVE_CONSTANT, ModelNames, model_names
from nnmip.formats.one_sided import for_files, one_sided
from nnmip.formats.reading import INFINITY
from nnmip.formats.sidecar import Kind, Sense, write_names
from nnmip.milp.model import Milp
from nnmip.records import dataclass
from nnmip.sizes import UNASKED, Allowance

SUFFIXES = (".lp", ".lp.gz", ".mps", ".mps.gz")

_Writer = Callable[[Milp, ModelNames, BinaryIO], None]


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """The files that `write_model` made, and how large the model is in them.

    A row with two sides counts as two (`split_rows` says how many have them), and the constant of the goal as a column,
    whose name is `constant`. has_repeated: whether the only row repeats a bound.
    """

    model: Path
    names: Path
    rows: int
    columns: int
    nonzeros: int
    split_rows: int
    constant: str | None
    has_repeated: bool = False


def write_model(
    milp: Milp,
    path: str | os.PathLike[str],
    *,
    fingerprint: str,
    sense: Sense,
    extra: Mapping[str, object],
    kind: Kind = "equivalent",
) -> WrittenModel:
    """Write `milp` to `path` as its suffix says, and its names to `STEM.names.json` next to it.

    The model file minimises; `sense` is the sense of the user's goal and stands in the names file, with `kind`,
    `fingerprint` and `extra`. Equal arguments give equal bytes. Both files appear whole or not at all. Raises
    ValueError for an unknown suffix and OSError when the files cannot be written.
    """
    target = Path(path)
    stem, suffix = split_suffix(target)
    writer: _Writer = write_lp if suffix.startswith(".lp") else write_mps
    _check(milp)
    rows_split = for_files(milp)
    names = model_names(rows_split)
    written = WrittenModel(
        target,
        target.with_name(f"{stem}.names.json"),
        rows=rows_split.num_rows,
        columns=rows_split.num_columns + bool(milp.offset),
        nonzeros=rows_split.num_nonzeros,
        split_rows=milp.num_two_sided,
        constant=OBJECTIVE_CONSTANT if milp.offset else None,
        has_repeated=rows_split.num_rows > one_sided(milp).num_rows,
    )
    with atomic_file(written.names) as names_stream, atomic_file(written.model) as model_stream:
        writer(rows_split, names, model_stream)
        write_names(rows_split, names, names_stream, fingerprint=fingerprint, sense=sense, kind=kind, extra=extra)
    return written


def format_model(milp: Milp, format: str, stream: BinaryIO) -> None:
    """Write `milp` to a stream as `lp` or `mps`, with the names that `write_model` gives. ValueError for others."""
    if format not in ("lp", "mps"):
        raise ValueError(f"`{format}` is not a model format: write `lp` or `mps`")
    _check(milp)
    rows_split = for_files(milp)
    writer: _Writer = write_lp if format == "lp" else write_mps
    writer(rows_split, model_names(rows_split), stream)


def read_model(path: str | os.PathLike[str], allowance: Allowance = UNASKED) -> Milp:
    """Read an LP or MPS file as its suffix says. Raises ValueError for an unknown suffix, else as the readers do."""
    from nnmip.formats.lp_reader import read_lp
    from nnmip.formats.mps_reader import read_mps

    _, suffix = split_suffix(Path(path))
    return read_lp(path, allowance) if suffix.startswith(".lp") else read_mps(path, allowance)


def split_suffix(path: Path) -> tuple[str, str]:
    """(name without the model suffix, suffix). Raises ValueError when the file name has none of `SUFFIXES`."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return path.name.removesuffix(suffix), suffix
    raise ValueError(
        f"`{path.name}` is not a model file name: it must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
    )


def _check(milp: Milp) -> None:
    """What the formats cannot carry is a defect of the caller."""
    milp.verify()
    for array in (milp.row_lb, milp.row_ub, milp.col_lb, milp.col_ub):
        assert not (np.isfinite(array) & (np.abs(array) >= INFINITY)).any(), "readers take this bound for infinite"
