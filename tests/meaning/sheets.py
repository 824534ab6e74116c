"""Random tables of a few rows, and the lines that declare how they are read."""

from __future__ import annotations

from dataclasses import dataclass

from tests.meaning.tasks import Chooser, Task, chance, pick

COLUMNS = ("f0", "f1")
KINDS = ("red", "blue")


@dataclass(frozen=True)
class Sheet:
    """The text of a table; the lines that declare it, without those of the truth; the width of the input.

    `f1` is a column of `KINDS` where `has_kinds`; rows are kept apart as `train.test` where `has_test`.
    """

    text: str
    lines: tuple[str, ...]
    width: int
    has_kinds: bool = False
    has_test: bool = False


def random_sheet(choose: Chooser, task: Task, features: int, scaled: bool) -> Sheet:
    """The table of the loss: with categories, missing cells and a test part now and then."""
    has_kinds = features == 2 and not scaled and chance(choose, 40)
    missing = pick(choose, ("drop rows", "fill median", "fill mean")) if not scaled and chance(choose, 20) else ""
    has_test = not scaled and all("0w" not in cells for cells in task.cells) and chance(choose, 25)
    rows = choose.integer(4 if has_test or missing else 2, 6) + (has_test and missing == "drop rows")
    cells = _cells(choose, features, rows, scaled)
    if has_kinds:
        for row, line in enumerate(cells):
            line[1] = KINDS[row] if row < len(KINDS) else pick(choose, KINDS)
    if missing:
        # A mean of one number is that number, so that all inputs stay on a grid.
        known = cells[0][0]
        for line in cells if missing == "fill mean" else ():
            line[0] = known
        cells[choose.integer(2, rows - 1)][0] = "?"
    scale = " scale minmax" if scaled else ""
    lines = [f"features f0{scale}", "features f1 as onehot"] if has_kinds else [_features(features) + scale]
    lines += [f"missing {missing}"] if missing else []
    lines += [f"split test {pick(choose, ('0.3', '0.5'))} seed {choose.integer(0, 9)}"] if has_test else []
    return Sheet(_text(choose, task, cells), tuple(lines), features + has_kinds, has_kinds, has_test)


def plain_sheet(choose: Chooser, task: Task, features: int, rows: int) -> Sheet:
    """A second table with the same columns."""
    cells = _cells(choose, features, rows, False)
    return Sheet(_text(choose, task, cells), (_features(features),), features)


def _features(count: int) -> str:
    return f"features {', '.join(COLUMNS[:count])}"


def _cells(choose: Chooser, features: int, rows: int, varied: bool) -> list[list[str]]:
    """Few distinct values; `varied` columns are not constant."""
    values = pick(choose, ((-1, 0, 1), (0, 1), (-2, -0.5, 1.5), (0, 1, 3), (-1, 2)))
    cells = [[str(pick(choose, values)) for _ in range(features)] for _ in range(rows)]
    for row in range(min(2, rows) if varied else 0):
        cells[row] = [str(values[row])] * features
    return cells


def _text(choose: Chooser, task: Task, cells: list[list[str]]) -> str:
    """The table with conflicting truths, and a repeated row now and then."""
    header = ",".join((*COLUMNS[: len(cells[0])], *task.names))
    lines = [",".join((*line, *task.row(choose, row == 0))) for row, line in enumerate(cells)]
    if chance(choose, 30):
        lines.append(lines[-1])
    return "\n".join([header, *lines]) + "\n"
