"""Runs on disk: result, weights, structure, and incumbents as they come."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.diagnostics import DiagnosticError
from nnmip.formats.archive import read_archive
from nnmip.formats.atomic import atomic_file
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import without_removed
from nnmip.onnx.package import is_available
from nnmip.records import dataclass
from nnmip.sema.values import fail
from nnmip.sizes import LINE_TEXT, UNASKED, Allowance
from nnmip.solution.compact import compacted
from nnmip.solution.network import TrainedNetwork, arrays_of, from_json, is_numeric, to_json, trained_network
from nnmip.solution.onnx import onnx_bytes
from nnmip.solution.result import Proof, Result, SolutionStatus
from nnmip.source import SourceFile, Span

FORMAT = "nnmip-network"
VERSION = 1
WEIGHTS, STRUCTURE, RESULT, TEXT = "weights.npz", "network.json", "result.json", "network.txt"

FRONT = "front.json"
"""The index in a folder that holds a front, whose networks are in folders of their own."""

RESUME = "resume/"
"""What the names of arrays begin with that only a run to resume needs: with removed parts, in the model's shapes."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder of one run: `weights.npz` and `network.json` (the best network so far, rewritten whole each time it
    improves), and at the end `result.json`, `network.txt` and, with the
    extra `nnmip[onnx]`, `NETWORK.onnx`."""

    path: Path
    allowance: Allowance = UNASKED

    def create(self) -> None:
        """Make the folder and try to write in it; OSError where that fails."""
        self.path.mkdir(parents=True, exist_ok=True)
        probe = self.path / f".probe.{uuid.uuid4().hex}"
        probe.touch()
        probe.unlink()

    def has_networks(self) -> bool:
        """Whether a network is stored here."""
        return (self.path / WEIGHTS).exists()

    def fingerprint(self) -> str | None:
        """The fingerprint of the model whose run is stored here, empty if it has none, None if there is no run."""
        if not (self.path / STRUCTURE).exists() and not (self.path / WEIGHTS).exists():
            return None
        try:
            return str(self._read_json(STRUCTURE).get("fingerprint", ""))
        except DiagnosticError:
            return ""

    def proved(self) -> str:
        """What the result that is stored here says to be proved of its network: `optimal`, or `optimal within its
        tolerance`, among which networks; empty where there is no such result."""
        try:
            found = self._read_json(RESULT)
        except DiagnosticError:
            return ""
        among = f" among {found['among']}" if isinstance(found.get("among"), str) else ""
        if found.get("solution") == SolutionStatus.OPTIMAL:
            return f"optimal{among}"
        bracket = found.get("bracket")
        is_reached = isinstance(bracket, dict) and bracket.get("is_reached") is True
        return f"optimal within its tolerance{among}" if is_reached and found.get("proof") != Proof.NONE else ""

    def clear_result(self, program: Program) -> None:
        """Remove the result of an earlier run, before its network is replaced by a better one."""
        for name in (RESULT, TEXT, *(f"{network.name}.onnx" for network in program.networks)):
            (self.path / name).unlink(missing_ok=True)

    def save_networks(
        self, program: Program, assignment: Assignment, objective: float | None, fingerprint: str
    ) -> None:
        """Write the networks and variables of an assignment, atomically and weights last, with the model's fingerprint.

        What is removed is cut out; the arrays that differ from those of the model are there once more for `--resume`.
        """
        trained = [trained_network(program, network, assignment) for network in program.networks]
        smaller = [compacted(t) for t in trained]
        structure = {
            "format": FORMAT,
            "version": VERSION,
            "fingerprint": fingerprint,
            "objective": objective,
            "networks": [to_json(t) for t in smaller],
        }
        paths = [variable.decision.path for variable in program.variables]
        arrays: dict[str, NDArray[Any]] = {path: assignment.values[path] for path in paths}
        for whole, part in zip(trained, smaller, strict=True):
            found = arrays_of(part)
            arrays.update(found)
            rest = arrays_of(whole).items()
            arrays.update({f"{RESUME}{k}": a for k, a in rest if k not in found or not np.array_equal(a, found[k])})
        self._write(STRUCTURE, json.dumps(structure, indent=1).encode())
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        self._write(WEIGHTS, buffer.getvalue())

    def save_result(self, result: Mapping[str, Any], text: str) -> None:
        """Write the result as JSON and the network as text."""
        self._write(RESULT, (json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
        self._write(TEXT, text.encode(errors="backslashreplace"))

    def save_answer(
        self, program: Program, assignment: Assignment, result: Result, text: str, fingerprint: str
    ) -> None:
        """Write the network of a result and the result itself; `text` is the network in words.

        Where the package onnx is installed, every network is written as `NETWORK.onnx`, too.
        """

        self.save_networks(program, assignment, result.objective, fingerprint)
        if is_available():
            for network in program.networks:
                content = onnx_bytes(trained_network(program, network, assignment))
                self._write(f"{network.name}.onnx", content)
        self.save_result(result.to_json(), text)

    def load_networks(self) -> list[TrainedNetwork]:
        """The saved networks; DiagnosticError NNM0613 where the folder does not hold a whole run."""
        structure = self._read_json(STRUCTURE)
        arrays = self._read_arrays()
        try:
            if structure["format"] != FORMAT or structure["version"] != VERSION:
                raise ValueError(f"format {structure['format']} {structure['version']}")
            networks = [from_json(entry, arrays) for entry in structure["networks"]]
            if not networks:
                raise ValueError("it has none")
            return networks
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
            raise self._unusable(STRUCTURE, f"it does not describe a network: {reason}") from None

    def load_assignment(self, program: Program) -> Assignment:
        """The saved weights as an assignment of `program`; DiagnosticError NNM0613 where they do not fit it."""
        arrays = self._read_arrays()
        values: dict[str, NDArray[np.float64]] = {}
        for decision in program.decisions:
            array = arrays.get(f"{RESUME}{decision.path}", arrays.get(decision.path))
            if array is None or array.shape != decision.shape:
                reason = f"`{decision.path}` is missing or has another shape"
                raise self._unusable(WEIGHTS, reason, "resume a run with the same networks, layers and shapes")
            if not is_numeric(array):
                raise self._unusable(WEIGHTS, f"`{decision.path}` has entries that are not finite numbers")
            values[decision.path] = array.astype(np.float64)
        kept: dict[str, NDArray[np.bool_]] = {}
        for network in program.networks:
            for layer in network.layers:
                if layer.kept_shape is None:
                    continue
                name = f"{layer.path}.kept"
                mask = arrays.get(f"{RESUME}{name}", arrays.get(name, np.ones(layer.kept_shape, dtype=bool)))
                if mask.shape != layer.kept_shape or mask.dtype.kind != "b":
                    raise self._unusable(WEIGHTS, f"`{layer.path}.kept` is not a mask of {layer.units} units")
                kept[layer.path] = mask.astype(bool)
        return without_removed(program, Assignment(values, kept))

    def _write(self, name: str, content: bytes) -> None:
        with atomic_file(self.path / name) as stream:
            stream.write(content)

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            self.allowance.check(path.stat().st_size, LINE_TEXT, f"`{name}`", _whole(path))
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise self._unusable(name, (error.strerror or "it cannot be read").lower()) from None
        except (ValueError, RecursionError):
            raise self._unusable(name, "it is not JSON") from None
        if not isinstance(content, dict):
            raise self._unusable(name, "it is not a JSON object")
        return content

    def _read_arrays(self) -> dict[str, NDArray[Any]]:
        path = self.path / WEIGHTS
        try:
            arrays = read_archive(path, self.allowance)
        except OSError as error:
            raise self._unusable(WEIGHTS, (error.strerror or "it cannot be read").lower()) from None
        if arrays is None:
            raise self._unusable(WEIGHTS, "it is not an NPZ archive of plain arrays")
        return arrays

    def _unusable(
        self, name: str, reason: str, help: str = "name a folder that `nnmip solve --save` wrote"
    ) -> Exception:
        return fail(
            "NNM0613",
            f"the saved run in `{self.path}` cannot be used: {name}: {reason}",
            _whole(self.path / name),
            help=help,
        )


def load_network(path: str | Path, name: str | None = None) -> TrainedNetwork:
    """The network in a folder that `nnmip solve --save` or `Model.solve(save=...)` wrote, to predict with.

    `name` is needed where the folder has several. Raises DiagnosticError NNM0613 for a folder that does not hold a
    run, ValueError for a name that it does not have.
    """
    networks = {trained.name: trained for trained in RunFolder(Path(path)).load_networks()}
    if name is None and len(networks) == 1:
        return next(iter(networks.values()))
    if name not in networks:
        asked = "several networks, and a name is needed" if name is None else f"no network `{name}`"
        raise ValueError(f"the folder has {asked}; it has {', '.join(networks)}")
    return networks[name]


def _whole(path: Path) -> Span:
    return Span(SourceFile(str(path), ""), 0, 0)
