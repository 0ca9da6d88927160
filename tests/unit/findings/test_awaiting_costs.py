"""Limits on latency and memory are judged by what was measured alone; a proxy is no reason."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.config.axes import Lora, Nf4
from deft_sweeps.findings import Findings, choose
from deft_sweeps.findings.measured_cost import deployed_structure
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.report.choice_text import NOT_CHOSEN, awaiting_notes, caveats, why
from deft_sweeps.report.html import render
from deft_sweeps.result import CompleteTrial, Label, SkippedBlocks, StructureCost
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.store.cost_record import CostRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.front_seeds import missing_seeds
from tests.fakes import fake_result, fake_spec, plain
from tests.made_sweep import PROVENANCE
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
LATENCY = parse_constraint("latency_sec <= 400 ms")
SPARSEST = parse_policy("best activation_density")


def took(latency_sec: float, of: CompleteTrial, label: Label = "proxy") -> CompleteTrial:
    assert of.cost is not None
    return replace(of, cost=replace(of.cost, latency_sec=latency_sec, label=label))


PLAIN = result(point(0.0, 0.8, 0.9))
DEFT = result(point(0.0, 0.79, 0.5), weight=1.0, learning_rate=2e-3)
QUANTIZED = replace(PLAIN, config=replace(PLAIN.config, quantization=Nf4()))


def test_training_changes_no_structure() -> None:
    scaled = replace(PLAIN, config=replace(PLAIN.config, peft=Lora(alpha=64, rslora=True)))
    dropped = replace(PLAIN, config=replace(PLAIN.config, peft=Lora(dropout=0.1)))
    structures = {deployed_structure(one) for one in (PLAIN, DEFT, scaled, dropped)}
    assert len(structures) == 1


def test_quantization_and_removed_blocks_do() -> None:
    shorter = replace(DEFT, skipped=SkippedBlocks(decoder=(1,)))
    assert len({deployed_structure(one) for one in (PLAIN, QUANTIZED, shorter)}) == 3


@pytest.mark.parametrize("bound", ["400 ms", "1 ms"])
def test_a_proxy_excludes_nothing_from_the_front_and_nothing_is_chosen_by_it(bound: str) -> None:
    limit = parse_constraint(f"latency_sec <= {bound}")
    made = Findings((took(0.122, PLAIN), took(0.321, DEFT)), OBJECTIVES, (limit,), SPARSEST)
    assert len(made.front.members) == 2
    assert made.front.awaiting == {str(limit): 2}
    assert made.choice.member is None
    assert made.choice.awaiting == {str(limit): 2}
    assert made.verdict.kind == "nothing"
    assert f"`{limit}` cannot judge 2 points" in made.verdict.why
    (note,) = caveats(made.choice)
    assert note.endswith("they are not chosen until then.")


def test_what_was_measured_alone_is_judged_beside_what_was_not() -> None:
    results = (took(0.2, PLAIN, "measured"), took(0.9, QUANTIZED, "measured"), took(0.1, DEFT))
    made = Findings(results, OBJECTIVES, (LATENCY,), SPARSEST)
    assert {m.result.trial_id for m in made.front.members} == {PLAIN.trial_id, DEFT.trial_id}
    assert made.choice.member is not None
    assert made.choice.member.result.trial_id == PLAIN.trial_id
    assert made.front.awaiting == {str(LATENCY): 1}


def test_a_baseline_with_a_proxy_judges_nothing_either() -> None:
    limit = parse_constraint("latency_sec <= baseline(peft)")
    results = (took(0.3, PLAIN), took(0.2, QUANTIZED, "measured"))
    assert Findings(results, OBJECTIVES, (limit,)).front.awaiting == {str(limit): 2}


def test_a_policy_does_not_rank_by_proxies() -> None:
    results = (took(0.1, PLAIN), took(0.2, QUANTIZED, "measured"))
    choice = choose(results, OBJECTIVES, (), parse_policy("best latency_sec"))
    assert choice.member is not None
    assert choice.member.result.trial_id == QUANTIZED.trial_id
    assert choice.awaiting == {"best latency_sec": 1}


def test_nothing_is_said_of_other_limits_or_of_what_was_measured_alone() -> None:
    size = parse_constraint("weight_bytes <= 1 GiB")
    assert Findings((PLAIN,), OBJECTIVES, (size,)).front.awaiting == {}
    alone = Findings((took(0.1, PLAIN, "measured"),), OBJECTIVES, (LATENCY,))
    assert awaiting_notes(alone.choice.awaiting, NOT_CHOSEN) == ()
    assert "chosen by" in why(alone.choice)


def test_console_page_and_json_say_it_and_why_a_front_is_empty(tmp_path: Path) -> None:
    text = (
        "name: x\nspace: {density: [none, loss]}\nlimits: [latency_sec <= 100 ms]\nbudget:"
        " {trials: 2}\n"
    )
    sweep = SweepDir(tmp_path)
    sweep.spec_path.write_text(text)
    for one in (took(0.122, PLAIN), took(0.321, DEFT)):
        sweep.write(one)

    def said(*command: str) -> str:
        return CliRunner().invoke(app, [command[0], str(tmp_path), *command[1:]]).stdout

    note = "`latency_sec <= 100 ms` cannot judge 2 points yet"
    for command in (["status"], ["report", "--front-only"], ["choose"]):
        assert note in said(*command), command
    assert "cannot judge 2 points yet" in render(sweep, parse_spec(text, "x.yaml"))
    waiting = json.loads(said("status", "--json"))
    assert waiting["awaiting_costs"] == {"latency_sec <= 100 ms": 2}
    assert waiting["why_front_is_empty"] == ""

    alone = StructureCost(
        trial_id=PLAIN.trial_id,
        latency_sec=0.2,
        latency_high_sec=0.21,
        peak_memory_bytes=1000,
        provenance=PROVENANCE,
    )
    CostRecord(tmp_path).write(alone)
    reason = "`latency_sec <= 100 ms` excludes most, 2 of 2."
    assert f"The front is empty: no measured point keeps every limit. {reason}" in said("status")
    assert reason in json.loads(said("status", "--json"))["why_front_is_empty"]
    assert note not in said("choose")


def test_a_configuration_that_only_a_proxy_speaks_against_gets_its_seeds() -> None:
    spec = replace(fake_spec(), seeds=2, limits=(parse_constraint("latency_sec <= 1 ms"),))
    assert len(missing_seeds(spec, [fake_result(spec.config(plain(1e-3)), 0)])) == 1
