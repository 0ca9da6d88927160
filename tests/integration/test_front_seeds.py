"""Repeats, and the seeds of the front, on a real Ray with trials in closed form."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.domain import Categorical
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.front_seeds import missing_seeds
from deft_sweeps.sweep.progress import Progress
from deft_sweeps.sweep.runner import run_sweep
from deft_sweeps.sweep.session import seed_front
from tests.fakes import FakeMaker, Fault, fake_spec
from tests.running import counts_are_equal

pytestmark = pytest.mark.sweeps


def small() -> SweepSpec:
    """Eight points, twice each while searching."""
    base = fake_spec(40)
    rates = Categorical((1e-3, 3e-3))
    plain = (c for c in base.combinations if c.template.quantization.kind == "none")
    combinations = tuple(
        Combination(c.label, {"training.learning_rate": rates}, c.template) for c in plain
    )
    return replace(base, combinations=combinations, search=replace(base.search, repeats=2), seeds=3)


def seeds_by_config(sweep: SweepDir) -> Counter[str]:
    return Counter(result.config_id for result in sweep.results() if result.status == "complete")


@pytest.mark.usefixtures("one_ray")
def test_a_used_up_space_ends_the_search_and_its_front_gets_its_seeds_once(tmp_path: Path) -> None:
    spec, sweep, fakes = small(), SweepDir(tmp_path / "sweep"), FakeMaker(tmp_path)
    said: list[str] = []
    shown: list[Progress] = []
    outcome = run_sweep(spec, sweep, fakes, view=lambda _: None, n_cpus=2)
    assert outcome.n_complete == 16
    assert set(seeds_by_config(sweep).values()) == {2}
    assert any(
        "as often as `repeats` allows" in message and "16 of 40" in message
        for message in outcome.messages
    )

    extra = missing_seeds(spec, sweep.results())
    assert len(extra) >= 1
    # A driver that died once it had asked for a seed.
    StudySearcher(spec, sweep, target=16 + len(extra), extra=extra[:1])
    run_sweep(spec, sweep, fakes, view=lambda _: None, resume=True, n_cpus=2)
    assert len(sweep.results()) == 17, (
        "the seed asked for runs; the search, which is over, is not taken up again"
    )

    seed_front(spec, sweep, fakes, shown.append, said.append, None)
    results = sweep.results()
    front = pareto_front(results, spec.objectives)
    n_of = seeds_by_config(sweep)
    assert max(n_of.values()) == 3
    assert said[0].startswith("seeds of the front: ")
    assert any(", seeds of the front" in progress.line for progress in shown)
    assert not missing_seeds(spec, results)
    assert {n_of[member.result.config_id] for member in front.members} == {3}
    assert seed_front(spec, sweep, fakes, shown.append, said.append, None) is None
    assert len(sweep.results()) == len(results)
    assert all(member.seeds for member in front.members)
    counts_are_equal(spec, sweep)


@pytest.mark.usefixtures("one_ray")
def test_seeds_that_only_fail_are_not_asked_for_again_and_again_and_it_is_said(
    tmp_path: Path,
) -> None:
    spec, sweep = replace(fake_spec(2), seeds=2), SweepDir(tmp_path / "sweep")
    run_sweep(spec, sweep, FakeMaker(tmp_path), view=lambda _: None, n_cpus=2)
    wanted = missing_seeds(spec, sweep.results())
    assert wanted
    faults: dict[str, Fault] = {result.config_id: "raise" for result in sweep.results()}
    said: list[str] = []
    outcome = seed_front(
        spec, sweep, FakeMaker(tmp_path, faults), lambda _: None, said.append, None
    )
    assert outcome is not None
    assert outcome.n_failed == len(wanted)
    warning = f"{len(wanted)} configurations that the choice rests on still have fewer than 2 seeds"
    assert warning in outcome.messages
    assert said[-1] == f"warning: {warning}"


def test_where_one_seed_is_enough_no_result_is_read(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    sweep.result_path("0123456789ab-s0").parent.mkdir()
    sweep.result_path("0123456789ab-s0").write_text("no result")
    assert (
        seed_front(fake_spec(), sweep, FakeMaker(tmp_path), lambda _: None, lambda _: None, None)
        is None
    )
