from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from benchmarks.search.arms import make_arm
from benchmarks.search.closed_form import RUNGS, ClosedForm, make
from benchmarks.search.measure import Progress, run, truths_of
from benchmarks.search.problem import Problem, result
from benchmarks.search.simulate import Arm, Proposal, simulate
from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.result import Point, Rung
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import report
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Budget, Halving
from deft_sweeps.store.sweep_dir import SweepDir


@dataclass
class Noted:
    """An arm that keeps what it was told, and stops trials where it is asked to."""

    arm: Arm
    stops: dict[int, int] = field(default_factory=dict)
    heard: list[tuple[str, int, int]] = field(default_factory=list)

    def ask(self) -> Proposal | None:
        proposal = self.arm.ask()
        assert proposal is not None
        self.heard.append(("ask", proposal.number, 0))
        return proposal

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        self.heard.append(("rung", number, step))
        return self.arm.rung(number, step, points) and self.stops.get(number) != step

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        self.heard.append(("tell", number, 0 if points is None else 1))
        self.arm.tell(number, points)

    def close(self) -> None:
        self.arm.close()


@dataclass(frozen=True)
class Timed(ClosedForm):
    """Steps that take the same time in every trial, whatever its bits."""

    def step_sec(self, config: TrialConfig) -> float:
        return 1.0


def sequential(problem: Problem, arm: Arm, n: int) -> list[str]:
    """Trials one after the other, in a plain loop."""
    ids = []
    for _ in range(n):
        proposal = arm.ask()
        assert proposal is not None
        ids.append(proposal.config.trial_id(proposal.seed))
        for step in problem.rungs[:-1]:
            arm.rung(proposal.number, step, problem.curve(proposal.config, proposal.seed, step))
        arm.tell(proposal.number, problem.curve(proposal.config, proposal.seed, problem.rungs[-1]))
    return ids


@pytest.mark.parametrize("name", ["tpe", "ours-tpe"])
def test_one_worker_is_a_plain_loop(name: str) -> None:
    problem = make("bent")
    ended = simulate(problem, make_arm(name, problem, 4), workers=1, max_trials=25)
    assert [one.proposal.config.trial_id(one.proposal.seed) for one in ended] == sequential(
        problem, make_arm(name, problem, 4), 25
    )
    assert [one.paid for one in ended] == [RUNGS[-1] * (i + 1) for i in range(25)]


def test_workers_hear_of_events_in_the_order_of_their_time() -> None:
    arm = Noted(make_arm("random", problem := Timed("bent"), 0), stops={1: RUNGS[0]})
    ended = simulate(problem, arm, workers=2, max_trials=3)
    begin = [
        ("ask", 0, 0),
        ("ask", 1, 0),
        ("rung", 0, 9),
        ("rung", 1, 9),
        ("tell", 1, 0),
        ("ask", 2, 0),
    ]
    then = [("rung", 2, 9), ("rung", 0, 27), ("rung", 2, 27), ("tell", 0, 1), ("tell", 2, 1)]
    assert arm.heard == begin + then
    assert [(one.proposal.number, one.step, one.complete, one.at, one.paid) for one in ended] == [
        (1, 9, False, 9.0, 18),  # Itself, and what the other had done by then.
        (0, 81, True, 81.0, 9 + 81 + 72),
        (2, 81, True, 90.0, 9 + 81 + 81),
    ]


def test_a_slow_configuration_ends_late() -> None:
    problem = make("broken")
    ended = simulate(problem, make_arm("random", problem, 0), workers=8, max_trials=8)
    for one in ended:
        assert one.at == pytest.approx(
            RUNGS[-1] * (1.1 if one.proposal.config.quantization.kind == "nf4" else 0.9)
        )
    assert [one.at for one in ended] == sorted(one.at for one in ended)


@pytest.mark.parametrize(
    "name", ["random", "nsga2-12", "tpe-group", "ray-asha", "ours-tpe+halving"]
)
def test_a_run_follows_from_its_seed(name: str) -> None:
    problem = make("broken")

    def shares(seed: int) -> tuple[float, ...]:
        return run(
            problem, name, make_arm(name, problem, seed), seed, workers=4, max_steps=24 * RUNGS[-1]
        ).shares

    assert shares(1) == shares(1)
    assert shares(1) != shares(2)


def test_a_stopped_trial_is_no_progress_and_its_steps_are_paid() -> None:
    problem = make("bent")
    arm = Noted(make_arm("random", problem, 0), stops=dict.fromkeys(range(20), RUNGS[0]))
    progress = Progress(problem, truths_of(problem))
    ended = simulate(problem, arm, workers=4, max_trials=21)
    for one in ended[:-1]:
        progress.add(one)
    assert progress.shares == [0.0, 0.0]
    progress.add(ended[-1])
    assert min(progress.shares) > 0.0
    assert ended[-1].paid == 20 * RUNGS[0] + RUNGS[-1]


def test_a_budget_of_steps_ends_a_run() -> None:
    problem = make("bent")
    ended = simulate(
        problem, make_arm("random", problem, 0), workers=4, max_trials=99, max_steps=1000
    )
    assert ended[-2].paid < 1000 <= ended[-1].paid


@pytest.mark.parametrize("sampler", ["tpe", "front"])
def test_the_sweeps_own_searcher_proposes_and_stops_the_same(
    tmp_path: Path, sampler: SamplerName
) -> None:
    problem = make("bent")
    search = replace(problem.spec.search, sampler=sampler, seed=5)
    spec = replace(problem.spec, search=search, stopping=Halving(), budget=Budget(trials=14))
    searcher = StudySearcher(spec, SweepDir(tmp_path), target=14)
    ran = []
    for i in range(14):
        proposal = searcher.suggest(str(i))
        assert isinstance(proposal, dict)
        config: TrialConfig = codec(TrialConfig).validate_json(str(proposal["config"]))
        seed, rungs = int(str(proposal["seed"])), list[Rung]()
        for step in problem.rungs[:-1]:
            rungs.append(Rung(step=step, points=problem.curve(config, seed, step)))
            if not searcher.may_continue(str(i), report(step, rung=rungs[-1])):
                searcher.on_trial_complete(str(i), report(step, rung=rungs[-1]))
                break
        else:
            final = result(config, seed, rungs, problem.curve(config, seed, problem.rungs[-1]))
            searcher.on_trial_complete(str(i), report(problem.rungs[-1], (), final))
        ran.append(config.trial_id(seed))
    stored = {one.trial_id: one.status == "complete" for one in SweepDir(tmp_path).results()}
    ended = simulate(
        problem, make_arm(f"ours-{sampler}+halving", problem, 5), workers=1, max_trials=14
    )
    assert ran == [one.proposal.config.trial_id(one.proposal.seed) for one in ended]
    assert stored == {
        one.proposal.config.trial_id(one.proposal.seed): one.complete for one in ended
    }
    assert set(stored.values()) == {True, False}
