"""Training under rules over regions, against all networks of small models, each checked exactly at its kinks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.backends.protocol import Progress, Termination
from nnmip.regions import aim, check, run
from nnmip.report.text import render_result
from nnmip.solution.result import Proof, Result, SolutionStatus
from nnmip.verification import units
from nnmip.verification.verdict import Answer

ROWS = ((0.0, 1.3), (0.25, 1.0), (0.5, 0.7), (0.75, 0.3), (1.0, 0.1))
TABLE = "x,y\n" + "".join(f"{x},{y}\n" for x, y in ROWS)
SOLVERS = ("highs", "cbc")

MODEL = """nnm 0.1
data t = csv("t.csv") {{ features x target y }}
network f(x: real[1] in [0, 1]) {{
  layer h = dense(x, units: 2, weights in {{-1, 1}}, bias in {{-0.5, 0, 0.25}})
  layer a = relu(h)
  layer o = dense(a, units: 1, weights in {{-1, 0, 1}}, bias in {{0, 0.5, 1}})
  return o[0]
}}
{goal}
{rules}
"""


@dataclass(frozen=True)
class Net:
    """A network of the model, in rational arithmetic."""

    w: tuple[Fraction, ...]
    b: tuple[Fraction, ...]
    v: tuple[Fraction, ...]
    c: Fraction

    def __call__(self, x: Fraction) -> Fraction:
        return self.c + sum(v * max(w * x + b, Fraction(0)) for w, b, v in zip(self.w, self.b, self.v, strict=True))

    def kinks(self, lo: float, hi: float) -> list[Fraction]:
        """The ends of an interval and all kinks between them: a network is least and largest at one of these."""
        ends = Fraction(lo), Fraction(hi)
        inside = [-b / w for w, b in zip(self.w, self.b, strict=True)]
        return sorted({*ends, *(x for x in inside if ends[0] < x < ends[1])})

    @property
    def loss(self) -> Fraction:
        return sum((abs(self(Fraction(x)) - Fraction(str(y))) for x, y in ROWS), start=Fraction(0)) / len(ROWS)


def networks() -> Iterator[Net]:
    pairs = [
        list(itertools.product(map(Fraction, values), repeat=2))
        for values in ((-1, 1), ("-0.5", "0", "0.25"), (-1, 0, 1))
    ]
    for w, b, v in itertools.product(*pairs):
        yield from (Net(w, b, v, Fraction(c)) for c in (0, "0.5", 1))


Rule = Callable[[Net, Fraction], bool]
"""Whether a network keeps a rule with so much to spare."""


def most(limit: float, lo: float = 0.0, hi: float = 1.0) -> Rule:
    return lambda net, spare: all(net(x) <= Fraction(str(limit)) - spare for x in net.kinks(lo, hi))


def least(limit: float, lo: float, hi: float) -> Rule:
    return lambda net, spare: all(net(x) >= Fraction(str(limit)) + spare for x in net.kinks(lo, hi))


def rising(net: Net, spare: Fraction) -> bool:
    at = net.kinks(0.0, 1.0)
    return all(net(b) - net(a) >= spare * (b - a) for a, b in itertools.pairwise(at))


def falling(net: Net, spare: Fraction) -> bool:
    at = net.kinks(0.0, 1.0)
    return all(net(a) - net(b) >= spare * (b - a) for a, b in itertools.pairwise(at))


def near_rows(net: Net, spare: Fraction) -> bool:
    ends = [(max(0.0, x - 0.125), min(1.0, x + 0.125)) for x, y in ROWS if y >= 0.6]
    return all(net(x) >= Fraction("0.6") + spare for lo, hi in ends for x in net.kinks(lo, hi))


def conditional(net: Net, spare: Fraction) -> bool:
    """Below 0.55 for x above 0.375, where x is above 0 and the score may be at its limit."""
    return all(net(x) < Fraction("0.55") - spare for x in net.kinks(0.375, 1.0))


def guarded(net: Net, spare: Fraction) -> bool:
    return net.c < Fraction(3, 4) or least(0.45, 0.5, 1.0)(net, spare)


def chosen(net: Net, spare: Fraction) -> bool:
    return least(0.45, 0.5, 1.0)(net, spare) if net.c >= Fraction(1, 4) else least(0.2, 0.5, 1.0)(net, spare)


def band(net: Net, spare: Fraction) -> bool:
    """Between 0.3 and 0.7 on one half of the domain."""
    halves = ((0.0, 0.5), (0.5, 1.0))
    return any(least(0.3, *half)(net, spare) and most(0.7, *half)(net, spare) for half in halves)


CASES: dict[str, tuple[str, Rule]] = {
    "and": (
        "(forall z : real[1] in [0.25, 1]: f(z) <= 0.7) and (forall z : real[1] in [0.5, 1]: f(z) >= 0.45)"
        " and f.o.bias[0] <= 0.75",
        lambda net, spare: (
            most(0.7, 0.25, 1.0)(net, spare) and least(0.45, 0.5, 1.0)(net, spare) and net.c <= Fraction(3, 4)
        ),
    ),
    "or": (
        "(forall z in domain(f): f(z) >= 0.45) or (forall z : real[1] in [0, 1]: f(z) <= 0.45)",
        lambda net, spare: most(0.45)(net, spare) or least(0.45, 0.0, 1.0)(net, spare),
    ),
    "one of three": (
        "(forall z in domain(f): f(z) >= 9) or (forall z in domain(f): f(z) <= 0.5)"
        " or (forall z in domain(f): f(z) >= 0.5)",
        lambda net, spare: most(0.5)(net, spare) or least(0.5, 0.0, 1.0)(net, spare),
    ),
    "monotone or": (
        "(monotone(f, x, increasing) or monotone(f, x, decreasing))"
        " and (forall z : real[1] in [0.75, 1]: f(z) >= 0.6) and forall z : real[1] in [0.25, 0.5]: f(z) <= 0.6",
        lambda net, spare: (
            (rising(net, spare) or falling(net, spare))
            and least(0.6, 0.75, 1.0)(net, spare)
            and most(0.6, 0.25, 0.5)(net, spare)
        ),
    ),
    "monotone if": (
        "if f.o.bias[0] >= 0.25 then monotone(f, x, increasing) else forall z : real[1] in [0.5, 1]: f(z) >= 0.2",
        lambda net, spare: rising(net, spare) if net.c >= Fraction(1, 4) else least(0.2, 0.5, 1.0)(net, spare),
    ),
    "guard": ("f.o.bias[0] >= 0.75 -> forall z : real[1] in [0.5, 1]: f(z) >= 0.45", guarded),
    "not exists": ("not (exists z in domain(f) where z[x] >= 0.5: f(z) <= 0.45)", least(0.45 + 1e-9, 0.5, 1.0)),
    "if": (
        "if f.o.bias[0] >= 0.25 then forall z : real[1] in [0.5, 1]: f(z) >= 0.45"
        " else forall z : real[1] in [0.5, 1]: f(z) >= 0.2",
        chosen,
    ),
    "any": ("exists k in {0, 0.5}: forall z : real[1] in [k, k + 0.5]: abs(f(z) - 0.5) <= 0.2", band),
    "sign": ("forall z in domain(f) where z[x] >= 0.5: f(z) >= 0.45", least(0.45, 0.5, 1.0)),
    "typed": ("forall z : real[1] in [0.25, 1]: f(z) <= 0.7", most(0.7, 0.25, 1.0)),
    "on_it": ("forall z : real[1] in [0.25, 1]: f(z) <= 0.75", most(0.75, 0.25, 1.0)),
    "monotone": ("monotone(f, x, increasing)", rising),
    "robust": (
        "forall s in t, z in domain(f) where s.y >= 0.6 and abs(z[x] - s.x) <= 0.125: f(z) >= 0.6",
        near_rows,
    ),
    "conditional": ("forall z in domain(f): f(z) >= 0.55 -> z[x] <= 0.375", conditional),
    "both": (
        "monotone(f, x, increasing)\nconstraint d: forall z : real[1] in [0, 0.5]: f(z) <= 0.3",
        lambda net, spare: rising(net, spare) and most(0.3, 0.0, 0.5)(net, spare),
    ),
}


def solved(rules: str, folder: Path, goal: str = "minimize absolute(f, t)", **options: Any) -> Result:
    (folder / "t.csv").write_text(TABLE)
    text = MODEL.format(goal=goal, rules=f"constraint c: {rules}")
    return nnmip.loads(text, directory=folder).solve(**{"time_limit": 60.0, **options})


def net_of(result: Result) -> Net:
    trained = result.networks["f"]
    w, b, v, c = (
        [Fraction(float(n)) for n in array.reshape(-1)]
        for array in (trained.weights["h"], trained.biases["h"], trained.weights["o"], trained.biases["o"])
    )
    return Net(tuple(w), tuple(b), tuple(v), c[0])


def best(rule: Rule, spare: Fraction = Fraction(0)) -> float:
    return min((float(net.loss) for net in networks() if rule(net, spare)), default=np.inf)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", CASES)
def test_the_best_network_that_keeps_a_rule(case: str, solver: str, tmp_path: Path) -> None:
    text, rule = CASES[case]
    result = solved(text, tmp_path, solver=solver)
    assert result.promise is not None and result.objective is not None and result.dual_bound is not None
    net = net_of(result)
    assert rule(net, Fraction(0))
    assert abs(float(net.loss) - result.objective) <= 1e-9
    optimum = best(rule)
    assert result.dual_bound <= optimum + 1e-6 <= result.objective + 2e-6
    if result.solution is SolutionStatus.OPTIMAL:
        assert result.objective == pytest.approx(optimum, abs=1e-6)
    else:
        assert result.is_tightened and result.termination is Termination.OPTIMAL
        assert result.objective <= best(rule, Fraction(str(aim.DELTA))) + 1e-6
    assert result.proof in (Proof.SOLVER, Proof.CERTIFIED)
    assert {kept.name for kept in result.promise.rules} == ({"c", "d"} if case == "both" else {"c"})


def test_a_rule_that_the_best_network_meets_exactly_is_proved_as_it_is(tmp_path: Path) -> None:
    """With weights of finite domains nothing has to be tightened: the best network reaches 0.75 itself."""
    text, rule = CASES["on_it"]
    result = solved(text, tmp_path)
    assert max(net_of(result)(x) for x in net_of(result).kinks(0.25, 1.0)) == Fraction("0.75")
    assert result.solution is SolutionStatus.OPTIMAL and not result.is_tightened and result.promise is not None
    assert result.objective == pytest.approx(best(rule), abs=1e-6)
    assert [(kept.by, kept.proof) for kept in result.promise.rules] == [("exact", "certified")]


def test_every_rule_costs_something() -> None:
    """Otherwise the cases would show nothing."""
    free = min(float(net.loss) for net in networks())
    assert [case for case, (_, rule) in CASES.items() if best(rule) <= free + 0.01] == ["on_it"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_rule_that_no_network_keeps_is_proved_infeasible(solver: str, tmp_path: Path) -> None:
    text = "forall z : real[1] in [0.25, 0.75]: f(z) >= 9"
    result = solved(text, tmp_path, solver=solver)
    assert not any(least(9, 0.25, 0.75)(net, Fraction(0)) for net in networks())
    assert result.termination is Termination.INFEASIBLE and result.solution is SolutionStatus.NONE
    assert result.proof is Proof.SOLVER
    assert result.conflict is not None and [c.name for c in result.conflict.constraints] == ["c"]


def test_without_a_goal_any_network_that_keeps_the_rule_will_do(tmp_path: Path) -> None:
    text, rule = CASES["robust"]
    result = solved(text, tmp_path, goal="satisfy")
    assert rule(net_of(result), Fraction(0))
    assert result.solution is SolutionStatus.FEASIBLE and result.proof is Proof.CERTIFIED


def test_at_the_limit_the_best_proven_network_is_there(tmp_path: Path) -> None:
    """Ctrl-C sets the same event. The constant network is proved at once; the first round breaks the rule."""
    text, rule = CASES["monotone"]
    stop = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.is_milestone and "relaxed" in progress.phase:
            stop.set()

    result = solved(text, tmp_path, progress=watch, stop=stop, save=tmp_path / "saved")
    assert result.termination is Termination.INTERRUPTED and result.solution is SolutionStatus.FEASIBLE
    assert result.promise is not None and not result.promise.is_tight and result.proof is Proof.NONE
    assert rule(net_of(result), Fraction(0))
    assert result.objective is not None and result.dual_bound is not None
    assert result.dual_bound <= best(rule) + 1e-6 <= result.objective + 2e-6
    again = nnmip.load_network(tmp_path / "saved")
    assert np.array_equal(again.weights["o"], result.networks["f"].compact().weights["o"])


@pytest.mark.parametrize(("part", "rounds"), [("run_in", 0), ("stage_in", 1)])
def test_ctrl_c_in_a_part_ends_all(part: str, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parts, under the sufficient condition and a round, end with their network as if it were at a limit of
    their own. The network of a round is verified."""
    whole, runs = getattr(run.Run, part), []

    def interrupted(self: run.Run, *arguments: Any, **options: Any) -> Result:
        runs.append(result := whole(self, *arguments, **options))
        return replace(result, solution=SolutionStatus.FEASIBLE, termination=Termination.INTERRUPTED, proof=Proof.NONE)

    monkeypatch.setattr(run.Run, part, interrupted)
    text, rule = CASES["monotone"]
    result = solved(text, tmp_path, time_limit=None)
    assert result.termination is Termination.INTERRUPTED and len(runs) == 1
    assert result.promise is not None
    assert [each.kind for each in result.promise.rounds if each.kind != "start"] == ["relaxed"] * rounds
    assert rule(net_of(result), Fraction(0))


def test_without_time_nothing_is_claimed(tmp_path: Path) -> None:
    result = solved(CASES["sign"][0], tmp_path, time_limit=0.0)
    assert result.termination is Termination.TIME_LIMIT
    assert result.solution in (SolutionStatus.NONE, SolutionStatus.FEASIBLE) and result.proof is Proof.NONE


def test_a_second_solver_confirms(tmp_path: Path) -> None:
    text, rule = CASES["sign"]
    result = solved(text, tmp_path, confirm=True)
    assert result.solution is SolutionStatus.OPTIMAL and result.proof in (Proof.CONFIRMED, Proof.CERTIFIED)
    assert rule(net_of(result), Fraction(0))


def test_a_round_leaves_time_to_verify_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that uses up its time without a proof, by a clock of its own; its network keeps the rule."""
    left, training = [100.0], run.Run.stage_in

    def slow(self: run.Run, *arguments: Any, **options: Any) -> Result:
        result = training(self, *arguments, **options)
        assert self.options.time_limit is not None
        left[0] -= self.options.time_limit
        return replace(result, solution=SolutionStatus.FEASIBLE, termination=Termination.TIME_LIMIT, proof=Proof.NONE)

    monkeypatch.setattr(run.Run, "stage_in", slow)
    monkeypatch.setattr(run.RegionRun, "_left", lambda self: left[0])
    result = solved("forall z in domain(f): f(z) >= -9", tmp_path, time_limit=100.0)
    assert result.termination is Termination.TIME_LIMIT and result.promise is not None
    assert result.promise.rounds[-1].verdict == "verified"
    assert result.objective == pytest.approx(best(least(-9, 0.0, 1.0)), abs=1e-6)


@pytest.mark.parametrize("rule", ["f(z) >= 0.45", "f(z) <= 5"])
def test_a_rule_over_nothing_is_kept_and_the_report_says_so(rule: str, tmp_path: Path) -> None:
    result = solved(f"forall z in domain(f) where z[x] >= 1.5: {rule}", tmp_path)
    assert result.solution is SolutionStatus.OPTIMAL
    assert "`c`: no input satisfies its assumptions: it says nothing" in result.notes


def test_a_rule_of_which_one_cell_is_empty_says_something(tmp_path: Path) -> None:
    text = "forall s in t, z in domain(f) where abs(z[x] - s.x - 0.5) <= 0.1: f(z) <= 0.7"
    assert not any("says nothing" in note for note in solved(text, tmp_path).notes)


# ---- continuous weights --------------------------------------------------------------------------------------------

LINE = """nnm 0.1
data t = csv("t.csv") {{ features x scale standard target y }}
network f(x: real[1] in [-2, 2]) {{
  layer o = dense(x, units: 1, weights in [-4, 4], bias in [-4, 4])
  return o[0]
}}
minimize absolute(f, t)
{rule}
"""


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_line_that_stays_below_a_limit(solver: str, tmp_path: Path) -> None:
    """The rule for a line is the rule for both ends of the region: x in [0.1, 0.9] in the units of the table."""
    (tmp_path / "t.csv").write_text(TABLE)
    text = LINE.format(rule="constraint c: forall z : real[1] in [0.1, 0.9]: f(z) <= 0.8")
    result = nnmip.loads(text, directory=tmp_path).solve(solver=solver, time_limit=60)
    column = np.array([x for x, _ in ROWS])
    ends = [(x - column.mean()) / column.std() for x in (0.1, 0.9)]
    said = " and ".join(f"f.o.weights[0, 0] * {end!r} + f.o.bias[0] <= 0.8" for end in map(float, ends))
    exact = nnmip.loads(LINE.format(rule=f"constraint c: {said}"), directory=tmp_path).solve(solver=solver)
    assert result.objective is not None and exact.objective is not None and result.dual_bound is not None
    assert result.dual_bound <= exact.objective + 1e-6
    assert exact.objective - 1e-6 <= result.objective <= exact.objective + 2 * aim.DELTA
    assert result.is_proved and result.promise is not None
    weights, bias = result.networks["f"].weights["o"][0, 0], result.networks["f"].biases["o"][0]
    assert all(weights * end + bias <= 0.8 for end in ends)
    kept = result.promise.rules[0]
    assert kept.proof == "certified"


# ---- faults that a test has to see -----------------------------------------------------------------------------------


def test_a_verification_that_is_skipped_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(self: check.Checker, network: Any) -> list[check.Finding]:
        return [check.Finding(0, Answer.VERIFIED, "", "certified", None, None, 0.0, "")]

    monkeypatch.setattr(check.Checker, "findings", blind)
    text, rule = CASES["sign"]
    assert not rule(net_of(solved(text, tmp_path)), Fraction(0))


def test_a_delta_of_the_wrong_sign_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is loosened where it should be tightened is never verified where the best network lies on it."""
    text, _ = CASES["on_it"]
    monkeypatch.setattr(units, "MOST_UNITS", 0)
    assert solved(text, tmp_path).is_tightened
    monkeypatch.setattr(aim, "DELTA", -aim.DELTA)
    result = solved(text, tmp_path, time_limit=10)
    assert not result.is_proved and result.proof is Proof.NONE


# ---- what is said of it ----------------------------------------------------------------------------------------------

WARD = Path(__file__).parents[2] / "examples" / "ward.nnm"


def test_the_example_breaks_its_rule_without_it_and_is_proved_with_it() -> None:
    text = WARD.read_text(encoding="utf-8")
    free = nnmip.loads(text[: text.index("constraint older")], directory=WARD.parent).solve()
    ages = np.arange(24.0, 88.5, 0.5)
    rows = np.stack([ages, np.full(len(ages), 120.0)], axis=1)
    assert np.diff(free.networks["danger"].scores(rows)).min() < -0.01
    kept = nnmip.load(WARD).solve()
    assert kept.solution is SolutionStatus.OPTIMAL and kept.proof is Proof.CERTIFIED
    for pressure in np.linspace(92.0, 142.0, 101):
        rows = np.stack([ages, np.full(len(ages), pressure)], axis=1)
        scores = kept.networks["danger"].scores(rows)
        assert np.diff(scores).min() >= -1e-12
        assert pressure > 95 or scores[ages >= 40].min() >= 0.1
    regions = kept.to_json()["regions"]
    assert [(rule["name"], rule["proof"]) for rule in regions["rules"]] == [
        ("older", "certified"),
        ("low", "certified"),
    ]
    assert regions["rounds"][-1]["verdict"] == "verified" and regions["tightened"] == []
    shown = render_result(kept)
    assert 'older "danger never falls with age": proved for its whole region, by slopes (certified)' in shown


def test_a_report_says_what_a_tightened_rule_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is too large for an exact proof."""
    monkeypatch.setattr(units, "MOST_UNITS", 0)
    result = solved(CASES["on_it"][0], tmp_path)
    shown = render_result(result)
    assert "optimal for `c` tightened by 1e-05, proved for the rules themselves" in shown
    assert "no network that keeps `c` with 1e-05 to spare is better; no network that keeps the rules is better" in shown
    regions = result.to_json()["regions"]
    assert (regions["delta"], regions["tightened"], regions["optimal_for_tightened"]) == (1e-5, ["c"], True)


def test_a_file_and_a_front_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    rules = "constraint c: forall z in domain(f): f(z) <= 1"
    model = nnmip.loads(MODEL.format(goal="minimize absolute(f, t) + l0(f.weights)", rules=rules), directory=tmp_path)
    for refused, code in ((lambda: model.compile("lp"), "NNM0406"), (lambda: model.pareto("l0"), "NNM0104")):
        with pytest.raises(nnmip.DiagnosticError) as error:
            refused()
        assert [d.code for d in error.value.diagnostics] == [code]
