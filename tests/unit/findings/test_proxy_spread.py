"""How far proxies differ between equal networks, and that whatever rests on one says so."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.config.axes import Lora, Nf4, Training
from deft_sweeps.findings import choose
from deft_sweeps.findings.proxy_spread import proxy_spread, proxy_spreads
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.report.choice_text import caveats, proxy_notes
from deft_sweeps.report.html import render
from deft_sweeps.result import CompleteTrial, Label, SkippedBlocks
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.front_seeds import missing_seeds
from tests.fakes import fake_result, fake_spec, plain
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
LATENCY = parse_constraint("latency_sec <= 400 ms")


def took(
    latency_sec: float, of: CompleteTrial, peak_memory_bytes: int = 1000, label: Label = "proxy"
) -> CompleteTrial:
    assert of.cost is not None
    cost = replace(
        of.cost, latency_sec=latency_sec, peak_memory_bytes=peak_memory_bytes, label=label
    )
    return replace(of, cost=cost)


PLAIN = result(point(0.0, 0.8, 0.9))
DEFT = result(point(0.0, 0.79, 0.5), weight=1.0, learning_rate=2e-3)
QUANTIZED = replace(PLAIN, config=replace(PLAIN.config, quantization=Nf4()))


def test_trials_that_differ_in_density_weight_and_training_are_one_structure() -> None:
    spread = proxy_spread(
        [took(0.122, PLAIN), took(0.321, DEFT), took(0.9, QUANTIZED)], "latency_sec"
    )
    assert spread is not None
    assert (spread.low, spread.high, spread.n_trials) == (0.122, 0.321, 2)
    assert spread.ratio == pytest.approx(0.321 / 0.122)


def test_other_networks_are_other_structures() -> None:
    shorter = replace(DEFT, skipped=SkippedBlocks(decoder=(1,)))
    assert (
        proxy_spread([took(0.1, PLAIN), took(0.2, QUANTIZED), took(0.3, shorter)], "latency_sec")
        is None
    )


def test_the_scale_of_an_update_changes_no_network_and_dropout_only_what_training_takes() -> None:
    scaled = replace(PLAIN, config=replace(PLAIN.config, peft=Lora(alpha=64, rslora=True)))
    dropped = replace(PLAIN, config=replace(PLAIN.config, peft=Lora(dropout=0.1)))
    for other in (scaled, dropped):
        spread = proxy_spread([took(0.1, PLAIN), took(0.3, other)], "latency_sec")
        assert spread is not None
        assert spread.n_trials == 2
    assert proxy_spread([PLAIN, scaled], "peak_memory_bytes") is not None
    assert proxy_spread([PLAIN, dropped], "peak_memory_bytes") is None


def test_memory_also_depends_on_the_batch_that_was_trained() -> None:
    larger = replace(PLAIN, config=replace(PLAIN.config, training=Training(batch_size=64)))
    slower = replace(PLAIN, config=replace(PLAIN.config, training=Training(learning_rate=5e-3)))
    assert proxy_spread([PLAIN, took(0.1, larger, 9000)], "peak_memory_bytes") is None
    spread = proxy_spread(
        [PLAIN, took(0.1, larger, 9000), took(0.1, slower, 3000)], "peak_memory_bytes"
    )
    assert spread is not None
    assert spread.ratio == 3.0


def test_the_choice_says_that_a_proxy_judged_and_how_far_it_varies() -> None:
    results = (took(0.122, PLAIN), took(0.321, DEFT))
    policy = parse_policy("best activation_density where latency_sec <= 400 ms")
    for limits, by in (((), policy), ((LATENCY,), parse_policy("best activation_density"))):
        sentences = caveats(choose(results, OBJECTIVES, limits, by))
        (note,) = (caveat for caveat in sentences if "proxy" in caveat)
        assert note.startswith(
            "`latency_sec <= 400 ms` was judged by a proxy, taken beside other trials"
        )
        assert "between 2 trials of one structure" in note
        assert "from 122 ms to 321 ms, 2.6-fold" in note
    nothing = choose(results, OBJECTIVES, (parse_constraint("latency_sec <= 1 ms"),), policy)
    assert nothing.member is None
    assert [caveat.split("`")[1] for caveat in caveats(nothing)] == [
        "latency_sec <= 1 ms",
        "latency_sec <= 400 ms",
    ]


def test_nothing_is_said_of_other_limits_or_of_what_was_measured_alone() -> None:
    assert proxy_notes(proxy_spreads([PLAIN], [parse_constraint("weight_bytes <= 1 MiB")])) == ()
    assert proxy_notes(proxy_spreads([took(0.1, PLAIN, label="measured")], [LATENCY])) == ()
    (alone,) = proxy_notes(proxy_spreads([PLAIN, QUANTIZED], [LATENCY]))
    assert "no two trials of one structure show how far it varies" in alone


@pytest.mark.parametrize("bound", ["400 ms", "1 ms"], ids=["kept", "kept by nothing"])
def test_console_and_page_say_it(tmp_path: Path, bound: str) -> None:
    text = (
        f"name: x\nspace: {{density: [none, loss]}}\nlimits: [latency_sec <= {bound}]\nbudget:"
        " {trials: 2}\n"
    )
    sweep = SweepDir(tmp_path)
    sweep.spec_path.write_text(text)
    for one in (took(0.122, PLAIN), took(0.321, DEFT)):
        sweep.write(one)
    sentence = "was judged by a proxy, taken beside other trials: between 2 trials of one structure"
    for command in (["status"], ["report", "--front-only"], ["choose"]):
        done = CliRunner().invoke(app, [command[0], str(tmp_path), *command[1:]])
        assert sentence in done.stdout, command
    assert sentence in render(sweep, parse_spec(text, "x.yaml"))


def test_a_limit_of_the_policy_is_told_where_its_choice_is_shown(tmp_path: Path) -> None:
    space = "space: {density: [none, loss]}\nbudget: {trials: 2}"
    policy = "best activation_density where latency_sec <= 400 ms"
    sweep = SweepDir(tmp_path)
    sweep.spec_path.write_text(f"name: x\n{space}\nchoose: {policy}\n")
    for one in (took(0.122, PLAIN), took(0.321, DEFT)):
        sweep.write(one)
    for command in (["report", "--front-only"], ["choose"], ["choose", "--json"]):
        done = CliRunner().invoke(app, [command[0], str(tmp_path), *command[1:]])
        assert "`latency_sec <= 400 ms` was judged by a proxy" in done.stdout, command


def test_a_configuration_that_only_a_proxy_keeps_off_the_front_gets_its_seeds() -> None:
    spec = replace(fake_spec(), seeds=2, limits=(parse_constraint("latency_sec <= 1 ms"),))
    assert len(missing_seeds(spec, [fake_result(spec.config(plain(1e-3)), 0)])) == 1
