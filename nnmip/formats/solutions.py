"""Solution files of CBC, HiGHS, Gurobi, SCIP and CPLEX, and plain `name value` lines."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from typing import NoReturn
from xml.parsers import expat

from nnmip.formats.reading import Text, load_text, shorten
from nnmip.records import dataclass
from nnmip.sizes import UNASKED, Allowance

SOLUTION_CODE = "NNM0611"


@dataclass(frozen=True, slots=True)
class SolutionFile:
    """What a solution file says, in the solver's own words; nothing in it is believed yet.

    solver: `cbc`, `highs`, `gurobi`, `scip`, `cplex`, or empty if the file does not tell. status: empty if not told.
    objective: None if not told. values: by column name of the model file. format: which layout was read.
    omits_zeros: a column that is not in `values` is 0; otherwise it has no value.
    """

    solver: str
    status: str
    objective: float | None
    values: dict[str, float]
    format: str
    omits_zeros: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank: its words and the offset of its first character."""

    text: str
    start: int
    words: tuple[str, ...]


@dataclass(slots=True)
class _Reader:
    """The values of a file while it is read."""

    text: Text
    values: dict[str, float] = field(default_factory=dict)

    def refuse(self, line: _Line, message: str, *, help: str = "") -> NoReturn:
        stripped = line.text.strip()
        at = line.start + line.text.index(stripped)
        self.text.refuse(message, at, len(stripped), help=help)

    def number(self, line: _Line, word: str) -> float:
        """A number of a line; 1e20 and beyond are infinite, as in all these files."""
        return self.text.number(word, line.start + line.text.rindex(word), infinite=True)

    def add(self, line: _Line, name: str, word: str) -> None:
        if name in self.values:
            self.refuse(line, f"`{shorten(name)}` has two values")
        self.values[name] = self.number(line, word)


def read_solution(path: str | os.PathLike[str], allowance: Allowance = UNASKED) -> SolutionFile:
    """Read a solution file (`.gz` is unpacked), finding out its layout from its first lines.

    Raises DiagnosticError: NNM0611 with the line for anything that does not fit the layout, NNM0310 for a file that is
    larger than is allowed.
    """
    text = load_text(path, SOLUTION_CODE, allowance)
    if text.file.text.lstrip().startswith("<"):
        return _read_cplex(text)
    lines = list(_lines(text))
    reader = _Reader(text)
    if not lines:
        text.refuse("the file is empty", 0, 0)
    for fits, read in _LAYOUTS:
        if fits(lines[0].text.strip()):
            return read(reader, lines)
    return _read_plain(reader, lines)


def _lines(text: Text) -> Iterator[_Line]:
    start = 0
    for line in text.file.text.split("\n"):
        words = tuple(line.split())
        if words:
            yield _Line(line, start, words)
        start += len(line) + 1


_CBC_HEAD = re.compile(r"(?P<status>\S.*?) - objective (?:value )?\s*(?P<objective>\S+)\Z")


def _read_cbc(reader: _Reader, lines: list[_Line]) -> SolutionFile:
    """`STATUS - objective value V`, then `[**] index name value cost`; `**` marks what is infeasible.

    With all printed, rows come before columns and the index starts again at 0: only the last run holds columns.
    python-mip writes the same layout with an objective of 0.0 that it did not compute.
    """
    head = _CBC_HEAD.match(lines[0].text.strip())
    assert head is not None
    last = -1.0
    for line in lines[1:]:
        words = line.words[1:] if line.words[0] == "**" else line.words
        if len(words) != 4 or not words[0].isdecimal():
            reader.refuse(line, "expected index, name, value and reduced cost")
        index = reader.number(line, words[0])
        if index <= last:
            reader.values.clear()
        last = index
        reader.add(line, words[1], words[2])
    by_python_mip = "objective value" not in lines[0].text
    objective = None if by_python_mip else reader.number(lines[0], head["objective"])
    return SolutionFile("cbc", head["status"], objective, reader.values, "cbc", omits_zeros=True)


def _read_highs(reader: _Reader, lines: list[_Line]) -> SolutionFile:
    """`Model status`, the status, `# Primal solution values`, its kind, `Objective V`, `# Columns n`, n pairs."""
    if len(lines) < 4 or lines[2].text.strip() != "# Primal solution values":
        reader.refuse(lines[min(2, len(lines) - 1)], "expected `# Primal solution values` after the model status")
    status, objective = lines[1].text.strip(), None
    if lines[3].words == ("None",):
        return SolutionFile("highs", status, None, {}, "highs", omits_zeros=False)
    position = 4
    if position < len(lines) and lines[position].words[0] == "Objective" and len(lines[position].words) == 2:
        objective = reader.number(lines[position], lines[position].words[1])
        position += 1
    if position == len(lines) or lines[position].words[:2] != ("#", "Columns") or len(lines[position].words) != 3:
        reader.refuse(lines[min(position, len(lines) - 1)], "expected `# Columns` and their number")
    header = lines[position]
    if not re.fullmatch("[0-9]{1,15}", header.words[2]):
        reader.refuse(header, "expected `# Columns` and their number")
    total = int(header.words[2])
    columns = lines[position + 1 : position + 1 + total]
    _add_pairs(reader, columns)
    if len(columns) < total:
        reader.refuse(lines[-1], f"the file ends after {len(columns)} of {total} columns", help="it may be cut off")
    return SolutionFile("highs", status, objective, reader.values, "highs", omits_zeros=False)


_HIGHS_TABLE = re.compile(r"\s*Index\s+Status\s+Lower\s+(?P<upper>Upper)\s+(?P<primal>Primal)\s+Dual\b.*\bName\s*\Z")


def _read_highs_table(reader: _Reader, lines: list[_Line]) -> SolutionFile:
    """HiGHS' readable style: a table of columns, one of rows, then `Model status: S` and `Objective value: V`."""
    header = _HIGHS_TABLE.match(lines[1].text) if len(lines) > 1 else None
    if header is None:
        reader.refuse(lines[min(1, len(lines) - 1)], "expected the heading of HiGHS' table of columns")
    position = 2
    while position < len(lines) and lines[position].words != ("Rows",):
        line = lines[position]
        value = line.text[header.end("upper") : header.end("primal")].strip()
        if not line.words[0].isdecimal() or len(line.words) < 4:
            reader.refuse(line, "expected a line of HiGHS' table of columns")
        if value:
            reader.add(line, line.words[-1], value)
        position += 1
    if position == len(lines):
        reader.refuse(lines[-1], "the file ends before `Rows`", help="it may be cut off")
    told = {line.text.partition(":")[0].strip(): line for line in lines[position:] if ":" in line.text}
    if "Model status" not in told:
        reader.refuse(lines[-1], "the file ends before `Model status`", help="it may be cut off")
    status = told["Model status"].text.partition(":")[2].strip()
    value_line = told.get("Objective value")
    objective = reader.number(value_line, value_line.words[-1]) if value_line and reader.values else None
    return SolutionFile("highs", status, objective, reader.values, "highs-table", omits_zeros=False)


_GUROBI_OBJECTIVE = re.compile(r"#\s*Objective value\s*=\s*(?P<objective>\S+)\s*\Z")


def _read_gurobi(reader: _Reader, lines: list[_Line]) -> SolutionFile:
    """Comments, one of them `# Objective value = V`, then pairs."""
    objective = None
    for line in lines:
        if match := _GUROBI_OBJECTIVE.match(line.text.strip()):
            objective = reader.number(line, match["objective"])
    _add_pairs(reader, [line for line in lines if line.text.lstrip()[0] != "#"])
    return SolutionFile("gurobi", "", objective, reader.values, "gurobi", omits_zeros=False)


def _read_scip(reader: _Reader, lines: list[_Line]) -> SolutionFile:
    """`solution status: S`, `objective value: V`, then `name value (obj:c)` for what is not zero."""
    status, objective = lines[0].text.partition(":")[2].strip(), None
    rest = lines[1:]
    if rest and rest[0].text.strip() == "no solution available":
        return SolutionFile("scip", status, None, {}, "scip", omits_zeros=True)
    if not rest or rest[0].words[:2] != ("objective", "value:") or len(rest[0].words) != 3:
        reader.refuse(rest[0] if rest else lines[0], "expected `objective value:` after the solution status")
    objective = reader.number(rest[0], rest[0].words[2])
    for line in rest[1:]:
        if len(line.words) not in (2, 3) or (len(line.words) == 3 and not line.words[2].startswith("(obj:")):
            reader.refuse(line, "expected a name, a value and `(obj:...)`")
        reader.add(line, line.words[0], line.words[1])
    return SolutionFile("scip", status, objective, reader.values, "scip", omits_zeros=True)


def _read_plain(reader: _Reader, lines: list[_Line]) -> SolutionFile:
    """`name value` lines and comments after `#`; every column must be there, since nothing says that zeros are not."""
    _add_pairs(reader, [line for line in lines if line.text.lstrip()[0] != "#"])
    return SolutionFile("", "", None, reader.values, "plain", omits_zeros=False)


def _add_pairs(reader: _Reader, lines: Iterable[_Line]) -> None:
    for line in lines:
        if len(line.words) != 2:
            reader.refuse(line, "expected a name and a value")
        reader.add(line, line.words[0], line.words[1])


_LAYOUTS: tuple[tuple[Callable[[str], bool], Callable[[_Reader, list[_Line]], SolutionFile]], ...] = (
    (lambda head: head == "Model status", _read_highs),
    (lambda head: head == "Columns", _read_highs_table),
    (lambda head: head.startswith("solution status:"), _read_scip),
    (lambda head: head.startswith("# Solution for model") or bool(_GUROBI_OBJECTIVE.match(head)), _read_gurobi),
    (lambda head: bool(_CBC_HEAD.match(head)), _read_cbc),
)


@dataclass(slots=True)
class _CplexHandler:
    """Collects the first solution of a CPLEX file while expat walks through it."""

    text: Text
    line_starts: list[int]
    parser: expat.XMLParserType
    header: dict[str, str] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    solutions: int = 0
    depth: int = 0

    def place(self) -> int:
        return self.line_starts[self.parser.CurrentLineNumber - 1] + self.parser.CurrentColumnNumber

    def refuse_declaration(self, *_: object) -> None:
        """Entities can only be declared inside a document type, so refusing that refuses both."""
        at = max(self.text.file.text.find("<!DOCTYPE"), 0)
        self.text.refuse("a document type declaration is not accepted", at, len("<!DOCTYPE"))

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1 and name not in ("CPLEXSolution", "CPLEXSolutions"):
            self.text.refuse(f"`<{shorten(name)}>` is not a CPLEX solution", self.place())
        self.solutions += name == "CPLEXSolution"
        if self.solutions != 1:
            return
        if name == "header":
            self.header = attributes
        elif name == "variable":
            self._variable(attributes)

    def end(self, _: str) -> None:
        self.depth -= 1

    def _variable(self, attributes: dict[str, str]) -> None:
        name, value = attributes.get("name"), attributes.get("value")
        if name is None or value is None:
            self.text.refuse("a variable needs a name and a value", self.place())
        if name in self.values:
            self.text.refuse(f"`{shorten(name)}` has two values", self.place())
        self.values[name] = self.text.number(value, self.place(), infinite=True)


def _read_cplex(text: Text) -> SolutionFile:
    """CPLEX' XML; of several solutions the first. Declarations are refused, so nothing can expand or be fetched."""
    content = text.file.text
    starts = [0, *(match.end() for match in re.finditer("\n", content))]
    parser = expat.ParserCreate(encoding="utf-8")
    handler = _CplexHandler(text, starts, parser)
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.StartDoctypeDeclHandler = handler.refuse_declaration
    try:
        parser.Parse(content.encode(), True)
    except expat.ExpatError as error:
        at = min(starts[min(error.lineno, len(starts)) - 1] + error.offset, max(len(content) - 1, 0))
        text.refuse("the XML is not well formed", at)
    stated = handler.header.get("objectiveValue")
    objective = None if stated is None else text.number(stated, content.find(stated), infinite=True)
    status = handler.header.get("solutionStatusString", "")
    return SolutionFile("cplex", status, objective, handler.values, "cplex", omits_zeros=False)
