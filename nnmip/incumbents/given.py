"""The network that a user starts from: arrays by the names of the language, whole or in part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.formats.archive import read_archive
from nnmip.hir.core import Assignment, BoolArray, Decision, FloatArray, Program
from nnmip.hir.evaluate import removed, without_removed
from nnmip.records import dataclass
from nnmip.sizes import Allowance
from nnmip.source import SourceFile, Span
from nnmip.syntax.suggest import closest

Start = str | Path | Mapping[str, Any]
"""An NPZ file, or arrays by name."""

RESUME = "resume/"
"""What nnmip writes before the name of an array in the shape of the model, where removed parts are cut out of the other
one."""

IN_PYTHON = "<start>"
"""What stands for the file in messages about arrays from Python."""

SHOWN = 12
"""Most names that a message lists."""

NEAR = 1e-9
"""A number that is nearer to its domain is taken for a member."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Arrays for some or all decisions by path, not rounded yet, and masks of what is kept, by layer path."""

    program: Program
    values: Mapping[str, FloatArray]
    kept: Mapping[str, BoolArray]

    @property
    def missing(self) -> tuple[Decision, ...]:
        """The decisions that have no array."""
        return tuple(d for d in self.program.decisions if d.path not in self.values)

    def networks(self) -> list[Assignment]:
        """The network with its numbers rounded to their domains, and what is missing nearest to 0: with everything kept
        that no mask removes, and with the units removed whose given weights are all 0."""
        whole = dict(self.values)
        whole |= {d.path: np.zeros(d.shape) for d in self.missing}
        rounded = {d.path: d.domain.project(whole[d.path]) for d in self.program.decisions}
        found = [Assignment(rounded, self._kept({}))]
        idle = self._idle()
        if any(mask.any() for mask in idle.values()):
            found.append(Assignment(rounded, self._kept(idle)))
        return [without_removed(self.program, network) for network in found]

    def remarks(self) -> list[str]:
        """Which numbers were not in their domains."""
        first = self.networks()[0]
        found = []
        for network in self.program.networks:
            masks = removed(network, first)
            for decision in network.decisions:
                if decision.path not in self.values:
                    continue
                off = np.where(masks[decision.path], 0.0, decision.domain.distance(self.values[decision.path]))
                count = int((off > NEAR).sum())
                if count:
                    numbers = f"{count} of {off.size} numbers {'was' if count == 1 else 'were'} rounded"
                    where = f"to the domain {decision.domain} of `{decision.path}`"
                    found.append(f"the start: {numbers} {where}, by at most {off.max():.3g}")
        return found

    def _kept(self, idle: Mapping[str, BoolArray]) -> dict[str, BoolArray]:
        layers = [layer for network in self.program.networks for layer in network.layers]
        kept = {la.path: np.ones(la.kept_shape, dtype=bool) for la in layers if la.kept_shape is not None}
        return {path: self.kept.get(path, mask & ~idle.get(path, np.zeros_like(mask))) for path, mask in kept.items()}

    def _idle(self) -> dict[str, BoolArray]:
        """For every layer with `prune` and no mask the units all of whose given weights and biases are 0."""
        found = {}
        for network in self.program.networks:
            for layer in network.layers:
                if not layer.removes_units or layer.path in self.kept:
                    continue
                mask = np.zeros(layer.units, dtype=bool)
                for unit in range(layer.units):
                    mask[unit] = self._is_idle(network.name, layer.path, layer.units, unit)
                found[layer.path] = mask
        return found

    def _is_idle(self, network: str, path: str, units: int, unit: int) -> bool:
        """Whether everything that is given of a unit is 0."""
        keeps = np.arange(units) != unit
        values = {d.path: self.values.get(d.path, np.zeros(d.shape)) for d in self.program.decisions}
        masks = removed(self.program.network(network), Assignment(values, self._kept({path: ~keeps})))
        return not any((values[p][mask] != 0).any() for p, mask in masks.items())


def read_start(start: Start, program: Program, allowance: Allowance) -> Given:
    """Read and check what a user gives; DiagnosticError NNM0615 with everything that does not fit the model.

    Raises TypeError for what is neither a path nor a mapping from names.
    """
    if isinstance(start, str | Path):
        return _Reader(program, str(start), _from_file(Path(start), allowance)).given()
    if not isinstance(start, Mapping) or not all(isinstance(name, str) for name in start):
        raise TypeError(f"start is the path of an NPZ file or a mapping from names to arrays, not {start!r:.80}")
    return _Reader(program, IN_PYTHON, {name: _array(name, value) for name, value in start.items()}).given()


def _from_file(path: Path, allowance: Allowance) -> dict[str, NDArray[Any]]:
    """The arrays of a file; of those that nnmip wrote, in the shapes of the model."""
    try:
        arrays = read_archive(path, allowance)
    except OSError as error:
        raise DiagnosticError([_problem(str(path), (error.strerror or "it cannot be read").lower())]) from None
    if arrays is None:
        raise DiagnosticError([_problem(str(path), "it is not an NPZ archive of plain arrays")])
    whole = {name.removeprefix(RESUME): array for name, array in arrays.items() if name.startswith(RESUME)}
    return {name: array for name, array in arrays.items() if not name.startswith(RESUME)} | whole


def _array(name: str, value: object) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:
        raise DiagnosticError([_problem(IN_PYTHON, f"`{name}` has rows of different lengths")]) from None


def _problem(
    path: str, what: str, help: str = "save the arrays with `numpy.savez`, or name another file"
) -> Diagnostic:
    message = f"the network to start from cannot be used: {what}"
    return Diagnostic("NNM0615", message, Span(SourceFile(path, ""), 0, 0), help=help)


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """The arrays that a user gives for a program, from `path`."""

    program: Program
    path: str
    arrays: Mapping[str, NDArray[Any]]

    def given(self) -> Given:
        found, kept, problems = dict[str, FloatArray](), dict[str, BoolArray](), list[Diagnostic]()
        decisions = {d.path: d for d in self.program.decisions}
        layers = [layer for network in self.program.networks for layer in network.layers]
        masks = {f"{la.path}.kept": la.kept_shape for la in layers if la.kept_shape is not None}
        for name, array in self.arrays.items():
            if name in decisions:
                problem = self._number_problem(decisions[name], array)
                found[name] = np.zeros(0) if problem else array.astype(np.float64)
            elif name in masks:
                problem = self._mask_problem(name, array, masks[name] or ())
                kept[name.removesuffix(".kept")] = array
            else:
                problem = self._unknown(name, [*decisions, *masks])
            problems += [problem] if problem else []
        if not found and not problems:
            names = ", ".join(f"`{name}`" for name in list(decisions)[:SHOWN])
            problems.append(_problem(self.path, "it has no array of this model", f"the model has {names}"))
        if problems:
            raise DiagnosticError(problems)
        return Given(self.program, found, kept)

    def _number_problem(self, decision: Decision, array: NDArray[Any]) -> Diagnostic | None:
        path, wanted = decision.path, list(decision.shape)
        if array.shape != decision.shape:
            fix = "give a weight for every output, and in it for every input"
            if decision.role == "bias":
                fix = "give one number for each unit"
            elif array.T.shape == decision.shape:
                fix = "transpose it: outputs come first"
            return _problem(self.path, f"`{path}` has shape {list(array.shape)} and not {wanted}", fix)
        if array.dtype.kind not in "biuf":
            return _problem(self.path, f"`{path}` does not hold real numbers", "give it as an array of numbers")
        wrong = np.argwhere(~np.isfinite(array))
        if len(wrong):
            place = ", ".join(str(int(i)) for i in wrong[0])
            value = array[tuple(wrong[0])]
            return _problem(self.path, f"`{path}[{place}]` is {value}", "give finite numbers")
        return None

    def _mask_problem(self, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> Diagnostic | None:
        if array.shape == shape and array.dtype.kind == "b":
            return None
        what = f"a Boolean for each of {shape[0]} units" if shape else "a single Boolean"
        return _problem(self.path, f"`{name}` is not {what}", "leave it out where everything is kept")

    def _unknown(self, name: str, known: list[str]) -> Diagnostic:
        near = closest(name, known)
        names = ", ".join(f"`{n}`" for n in known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
        fix = f"did you mean `{near}`?" if near is not None else f"the model has {names}"
        return _problem(self.path, f"the model has no array `{name}`", fix)
