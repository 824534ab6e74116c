"""Rules and later goals over several units, as rows over how many units there are of each kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from nnmip.hir.core import Compare, Fold, Node
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.logic import require_comparison
from nnmip.milp.affine import Affine, add_up
from nnmip.milp.model import FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.search.enumerate import Columns, batches_of_units
from nnmip.search.joints import Joint, Joints, Whole
from nnmip.search.parts import Batch
from nnmip.search.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Tied:
    """Rows for what ties the units of a view.

    A sum over units of something that each has is  value at 0 + sum of d[k] r[k]  with d[k] what a unit of kind k adds.
    That any unit has something is a binary u with  u <= sum of r[k] over the kinds that have it <= H u.  Exact. What is
    made of these is encoded as it is for weights.
    """

    view: View
    columns: Columns
    low: Lowering
    unit: IntArray
    head: IntArray
    counts: Affine
    idle: Affine | None

    def write(self) -> None:
        joints, builder = Joints(self.view), self.low.builder
        for number, joint in enumerate(joints.found):
            self._encode(joint, f"joint.{number}")
        for number, node in enumerate(joints.of_each):
            failing = self._total(*self._of_kinds(partial(_fails, joints.whole, node)))
            builder.rows(f"each.{number}", failing, node.origin, ub=0.0)
        for number, node in enumerate(joints.conditions):
            if isinstance(node, Compare):
                require_comparison(self.low, f"rule.{number}", node)
            else:
                holds = lower_expression(self.low, node, Polarity.LOWER)
                builder.rows(f"rule.{number}", holds, node.origin, lb=1.0)

    def _of_kinds(self, read: Callable[[Batch], FloatArray]) -> tuple[FloatArray, FloatArray]:
        """What is read of a unit of each kind, [L, ...], and of an idle one, [...]."""
        both, vectors = self._units()
        found = np.concatenate([read(batch) for batch in batches_of_units(self.view, both, vectors)])
        return found[:-1], found[-1]

    def _units(self) -> tuple[FloatArray, FloatArray]:
        """Weights, bias and output weights of every kind, and of an idle unit."""
        pool, heads = self.columns.pool, self.columns.heads
        both = np.concatenate([pool.weights, pool.bias[:, None]], axis=1)[self.unit]
        vectors = np.where((self.unit < self.columns.others)[:, None, None], heads.vectors[self.head], 0.0)
        nothing = np.zeros((1, *heads.vectors.shape[1:]))
        return np.concatenate([both, self.columns.idle_weights[None]]), np.concatenate([vectors, nothing])

    def _total(self, of_kinds: FloatArray, of_idle: FloatArray) -> Affine:
        """sum over the units of what each gives, of the shape of that."""
        shape, flat = of_idle.shape, of_kinds.reshape(len(of_kinds), of_idle.size)
        kind, entry = np.nonzero(flat)
        total = Affine(np.zeros(of_idle.size), entry, self.counts.column[kind], flat[kind, entry])
        total = total.reshape(shape)
        if self.idle is None or not of_idle.any():
            return total
        idle = self.idle.reshape((1,)).gather(np.zeros(shape, dtype=np.int64))
        return add_up([total, idle * of_idle], shape)

    def _encode(self, joint: Joint, path: str) -> None:
        """The value of a joint, wherever it stands."""
        node, builder, units = joint.node, self.low.builder, self.view.parts.units
        of_kinds, of_idle = self._of_kinds(joint.of)
        if joint.adds:
            zero = self._at_zero(joint)
            of_kinds, of_idle = of_kinds - zero, of_idle - zero
            total = self._total(of_kinds, of_idle) + zero
            each = np.concatenate([of_kinds, of_idle[None], np.zeros((1, *of_idle.shape))])
            lower, upper = zero + units * each.min(axis=0), zero + units * each.max(axis=0)
            value = builder.columns(path, node.shape, lower, upper, node.origin, lambda x, choice: total.value(x))
            builder.rows(f"{path}.sum", value - total, node.origin, lb=0.0, ub=0.0)
        else:
            total = self._total(of_kinds, of_idle)
            some = builder.binaries(path, node.shape, node.origin, lambda x, choice: total.value(x) > 0.5)
            builder.rows(f"{path}.some", some - total, node.origin, ub=0.0)
            builder.rows(f"{path}.most", total - some * float(units), node.origin, ub=0.0)
            value = some * -1.0 + 1.0 if isinstance(node, Fold) and node.op == "and" else some
        for polarity in Polarity.UPPER, Polarity.LOWER, Polarity.EXACT:
            self.low.lowered[id(node), polarity] = node, value

    def _at_zero(self, joint: Joint) -> FloatArray:
        nothing = np.zeros((1, len(self.columns.idle_weights))), np.zeros((1, *self.columns.heads.vectors.shape[1:]))
        (batch,) = batches_of_units(self.view, *nothing)
        return np.asarray(joint.of(batch)[0])


def _fails(whole: Whole, node: Node, batch: Batch) -> FloatArray:
    """Whether the first unit breaks a condition of its own, [k]."""
    value = np.broadcast_to(batch.value(node), (batch.count, *node.shape)) > 0.5
    mine = ~value & (whole.of(node) == 0)
    return np.asarray(mine.reshape(batch.count, -1).any(axis=1), dtype=np.float64)
