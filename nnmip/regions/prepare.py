"""What can be said of rules over regions before anything is solved: whether they can be met by rounds at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment, Network, Program
from nnmip.hir.goals import Cell, RegionRule
from nnmip.hir.known import KnownNetwork
from nnmip.regions.check import fixed_property, with_known
from nnmip.regions.instances import NEAR, Instances, Point
from nnmip.sema.values import fail
from nnmip.verification.claims import Opaque
from nnmip.verification.composite import Composite, entries_of
from nnmip.verification.readable import refused
from nnmip.verification.region import Region, is_inside, on_domains, regions_of
from nnmip.verification.smooth import refuse_curves

ONLY = (
    "such a rule compares affine expressions of points, of what networks give there, and of weights; what else is "
    "asked of weights stands in a constraint of its own"
)
FEWER = "state it in parts, each a constraint of its own"


def sampled(program: Program) -> Program:
    """The program with every rule at one point of its region, to see what its rounds will have to encode.

    Raises DiagnosticError: NNM0104 for a rule that is no combination of comparisons of affine expressions; NNM0506 for
    a rule that asks a network outside of its input domain; NNM0621 for one that reads a network with curves.
    """
    found: list[Point] = []
    for place, rule in enumerate(program.regions):
        for number, cell in enumerate(rule.cells):
            try:
                points = list(_points(program, rule, cell))
            except Opaque as error:
                raise refused(error, "a rule over a region", ONLY, FEWER) from None
            if points and not any(point.rule == place for point in found):
                found.append(Point(place, number, points[0]))
    return Instances(program).at(found)


def no_rows(rule: RegionRule) -> DiagnosticError:
    """NNM0406: no file has a rule over a region."""
    message = f"`{rule.name}` is a rule over a region: no finite number of rows says it, and no file can"
    help = "`nnmip solve` meets it by rounds; write the rule for rows, `forall s in data: ...`, to have it in a file"
    return fail("NNM0406", message, rule.origin.span, help=help)


def _points(program: Program, rule: RegionRule, cell: Cell) -> Iterator[dict[str, np.ndarray]]:
    """A point for each part of the region of a cell that is not empty, if the middle of it is one."""
    refuse_curves(program, cell.property)
    network = Assignment({d.path: d.domain.project(np.zeros(d.shape)) for d in program.decisions}, {})
    property = fixed_property(cell.property, network)
    known = {n.name: _stand_in(program, n, network) for n in program.networks}
    fixed = with_known(program, known)
    composite = Composite(fixed, property.points)
    for region in regions_of(property, composite):
        _check_inside(program, rule, composite, region)
        middle = on_domains(property.points, 0.5 * (region.box.lo + region.box.hi))[0]
        values = dict(entries_of(property.points, middle))
        if is_inside(fixed, property, Assignment(values, {})):
            yield values


def _stand_in(program: Program, network: Network, values: Assignment) -> KnownNetwork:
    data = program.data_of(network.name)
    return KnownNetwork(network, values, (), data.scaling if data is not None else None, ())


def _check_inside(program: Program, rule: RegionRule, composite: Composite, region: Region) -> None:
    """NNM0506 where a network that is decided is asked outside of its input domain."""
    decided = {network.name for network in program.networks}
    for task in region.tasks:
        rows = task.map.joined(region.map)
        for number, crown in composite.walk(rows, region.box, steps=0).crowns.items():
            network = composite.stations[number - 1].known.network
            domain, inputs = network.input_domain, crown.inputs
            room = NEAR * max(1.0, abs(domain.lo), abs(domain.hi))
            is_outside = bool((inputs.lo < domain.lo - room).any() or (inputs.hi > domain.hi + room).any())
            if network.name in decided and is_outside:
                least, most = float(inputs.lo.min()), float(inputs.hi.max())
                message = (
                    f"`{rule.name}` asks `{network.name}` for inputs in [{least:.4g}, {most:.4g}], and its input domain"
                    f" is {domain}, in scaled units"
                )
                help = f"points of a rule are in the units of the table: write `forall x in domain({network.name})`"
                raise fail("NNM0506", message, rule.condition, help=f"{help}, with `where` for a part of it")
