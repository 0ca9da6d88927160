import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deft_sweeps.config.axes import Adapter, DensityLoss, Lora, Magnitude, Wanda
from deft_sweeps.config.data import FileTask, PackagedTask, Splits
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.objective import Bound, Constraint
from deft_sweeps.specification.domain import Categorical, Float, Int
from deft_sweeps.specification.search_settings import Halving, NoStopping, Stopping
from deft_sweeps.specification.spec_reader import load_spec, parse_spec

GOOD = {
    "name": "name: good",
    "task": (
        "task: {kind: files, path: x.csv, text: review, label: mood, splits: {train: 100,"
        " validation: 50}}"
    ),
    "dtype": "dtype: fp32",
    "space": "space:",
    "activation": "  activation: [pretrained, relu]",
    "peft": (
        "  peft: [lora: {r: {low: 4, high: 16}, targets: [q, v]}, adapter: {reduction: {choice: [8,"
        " 16]}}]"
    ),
    "density": "  density: [none, loss: {weight: {low: 0.1, high: 3, log: true}, eps: 1e-3}]",
    "pruning": "  pruning: [none, wanda: {sparsity: 0.3}]",
    "training": (
        "  training: {steps: 10, batch_size: 8, learning_rate: {low: 5e-4, high: 3e-3, log: true}}"
    ),
    "first": "first: [{activation: relu, peft: {lora: {r: 8}}}]",
    "objectives": "objectives: [score, activation_density]",
    "limits": "limits: [weight_bytes <= 64 MiB]",
    "choose": "choose: best activation_density where score >= baseline(peft) - 0.02",
    "evaluation": "evaluation: {thresholds: [0, 0.1], objective_threshold: 0.1}",
    "search": "search: {sampler: nsga2, seed: 3}",
    "budget": "budget: {trials: 5, hours: 1, cpu_hours: 3, until_flat: 0.002}",
    "seeds": "seeds: 3",
    "trial_seed": "trial_seed: 1",
}
LINE = {key: number for number, key in enumerate(GOOD, 1)}

# One mistake for each line of GOOD, with words that its message must have.
MISTAKES = {
    "name": ("name: a/b", "a name that suits a folder"),
    "task": ("task: {kind: files, path: x.csv, tekst: review}", "did you mean text?"),
    "dtype": ("dtype: bf61", "did you mean bf16?"),
    "activation": ("  activation: [pretrained, rleu]", "did you mean relu?"),
    "peft": ("  peft: [lora: {r: {low: 0, high: 16}}]", "expected r >= 1, got 0"),
    "density": ("  density: [none, loss: {weight: {low: 0.1, high: .inf}}]", "a finite number"),
    "pruning": (
        "  pruning: [none, wanda: {sparsity: 1.3}]",
        "expected sparsity in (0, 1), got 1.3",
    ),
    "training": ("  training: {steps: 10.5}", "expected a whole number"),
    "first": ("first: [{activtion: relu}]", "did you mean activation?"),
    "objectives": ("objectives: [score, activation_densty]", "did you mean activation_density?"),
    "limits": ("limits: [weight_bytes =< 64 MiB]", "expected METRIC <= BOUND"),
    "choose": ("choose: best scor", "did you mean score?"),
    "evaluation": ("evaluation: {thresholds: [0.5]}", "thresholds that begin with 0"),
    "search": ("search: {sampler: tpee}", "did you mean tpe?"),
    "budget": ("budget: {trials: 5, hours: 0}", "expected hours > 0"),
    "seeds": ("seeds: 0", "greater than or equal to 1"),
    "trial_seed": ("trial_seed: -1", "greater than or equal to 0"),
}


def text_of(changes: dict[str, str] | None = None) -> str:
    return "\n".join((GOOD | (changes or {})).values()) + "\n"


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text, "s.yaml")
    return caught.value.problems


def lines_of(problems: Iterable[Problem]) -> list[int]:
    return [int(problem.where.split(":")[1]) for problem in problems]


def only_problem(changes: dict[str, str]) -> str:
    problems = problems_of(text_of(changes))
    assert len(problems) == 1, "\n".join(map(str, problems))
    return str(problems[0])


def test_good() -> None:
    spec = parse_spec(text_of(), "s.yaml")
    assert spec.name == "good"
    assert spec.trial_seed == 1
    assert len(spec.combinations) == 16
    assert spec.search.sampler == "nsga2"
    assert (spec.budget.hours, spec.budget.cpu_hours, spec.budget.until_flat, spec.seeds) == (
        1,
        3,
        0.002,
        3,
    )
    assert spec.limits == (Constraint("weight_bytes", "<=", Bound(64 * 2.0**20)),)
    combination = spec.by_label["relu adapter loss none none wanda"]
    assert combination.open == {
        "peft.adapter.reduction": Categorical((8, 16)),
        "density.loss.weight": Float(0.1, 3.0, log=True),
        "training.learning_rate": Float(5e-4, 3e-3, log=True),
    }
    config = combination.config(
        {"peft.adapter.reduction": 16, "density.loss.weight": 2, "training.learning_rate": 1e-3}
    )
    assert config.task == FileTask(
        path="x.csv", text="review", label="mood", splits=Splits(train=100, validation=50)
    )
    assert (config.activation, config.peft, config.pruning) == (
        "relu",
        Adapter(reduction=16),
        Wanda(sparsity=0.3),
    )
    assert config.density == DensityLoss(weight=2.0, eps=1e-3)
    assert isinstance(config.density.weight, float), "1 and 1.0 must not be two configurations"
    assert (config.dtype, config.training.steps) == ("fp32", 10)
    assert spec.by_label["pretrained lora none none none none"].open["peft.lora.r"] == Int(4, 16)


def test_defaults_of_what_is_left_out() -> None:
    spec = parse_spec("name: x\nspace: {}\nbudget: {trials: 1}\n", "s.yaml")
    (combination,) = spec.combinations
    assert combination.label == "pretrained lora none none none none"
    assert combination.config({}).task == PackagedTask()
    assert combination.config({}).peft == Lora()
    assert spec.first == ()


@pytest.mark.parametrize("key", MISTAKES)
def test_each_mistake_is_reported_at_its_place(key: str) -> None:
    line, words = MISTAKES[key]
    problems = [p for p in problems_of(text_of({key: line})) if lines_of([p]) == [LINE[key]]]
    assert any(words in str(problem) for problem in problems), problems


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(sorted(MISTAKES)), min_size=2))
def test_every_mistake_is_reported_at_once(keys: set[str]) -> None:
    problems = problems_of(text_of({key: MISTAKES[key][0] for key in keys}))
    lines = lines_of(problems)
    assert lines == sorted(lines)
    for key in keys:
        assert any(MISTAKES[key][1] in str(p) for p in problems if lines_of([p]) == [LINE[key]]), (
            key
        )
    assert set(lines) == {LINE[key] for key in keys}, "only the mistakes are reported"


# `^` stands where the problem must point.
@pytest.mark.parametrize(
    ("key", "marked", "words"),
    [
        ("peft", "  peft: ^[]", "at least one entry"),
        ("peft", "  peft: [lora: {r: 4}, ^lora: {r: 4}]", "same member"),
        ("peft", "  peft: [lora: {r: {choice: ^[]}}]", "at least one entry"),
        ("peft", "  peft: [lora: {r: ^{low: 8, high: 8}}]", "low < high"),
        ("peft", "  peft: [lora: {r: ^{choice: [4, 4]}}]", "values named once"),
        ("peft", "  peft: [lora: {r: {choice: [4, ^0]}}]", "expected r >= 1, got 0"),
        (
            "peft",
            "  peft: [lora: {dropout: {low: 0.1, high: ^1}}]",
            "expected dropout in [0, 1), got 1.0",
        ),
        ("peft", "  peft: [lora: {r: ^true}]", "a whole number, or {low, high}"),
        ("peft", "  peft: [lora: {r: 8, targets: [q, ^w]}]", "one of q, k, v, o, gate, up, down"),
        ("peft", "  peft: [{lora: {r: 8}, ^adapter: {}}]", "unknown key `adapter`"),
        ("peft", "  peft: ^lora", "expected a list"),
        (
            "density",
            "  density: [loss: {weight: ^{low: 0, high: 1, log: true}}]",
            "low > 0 on a log scale",
        ),
        (
            "training",
            "  training: {batch_size: 8, accumulation: {low: 1, high: ^9}}",
            "between 1 and batch_size",
        ),
        (
            "training",
            "  training: {batch_size: {low: ^2, high: 8}, accumulation: 4}",
            "between 1 and batch_size",
        ),
        ("training", "  training: ^{batch_size: 2, accumulation: 4}", "between 1 and batch_size"),
        ("first", "first: [{peft: ^lroa}]", "did you mean lora?"),
        ("first", "first: [{peft: {lora: {r: ^40}}}]", "its domain, 4 to 16, got 40"),
        ("first", "first: [{training: {steps: ^9}}]", "fixed at 10, got 9"),
        ("first", "first: [{density: {loss: {^wait: 9}}}]", "unknown key `wait` of loss"),
        ("first", "first: [{peft: lora}, ^{activation: pretrained}]", "same point"),
        ("objectives", "objectives: [score, ^score]", "named twice"),
        ("objectives", "objectives: ^[score]", "at least 2 entries"),
        (
            "evaluation",
            "evaluation: {thresholds: ^[0, 0.1], objective_threshold: 0.2}",
            "one of (0.0, 0.1), got 0.2",
        ),
        ("budget", "budget: {trials: ^0}", "expected trials >= 1"),
        (
            "budget",
            "budget: {trials: ^1}",
            "expected trials for the 2 first points, a limit's baseline",
        ),
        ("search", "search: {sampler: ^gp}", "gp needs every parameter in every combination; "),
        (
            "search",
            "search: {storage: ^redis://me:hunter2@x}",
            "URL (postgresql://..., mysql://..., sqlite://...), got 'redis'",
        ),
        ("search", "search: {warm_start: ^[a, a]}", "each folder of warm_start once"),
        (
            "limits",
            "limits: [^'surely weight_bytes <= 1']",
            "`surely` needs a metric with a standard error (score)",
        ),
        ("budget", "budget: ^{}", "expected the key `trials` of budget"),
        ("budget", "budget: {trials: 9, cpus_per_trial: ^0}", "cpus_per_trial >= 1"),
        ("budget", "budget: {trials: 9, gpu_hours: ^2}", "gpus_per_trial > 0 beside gpu_hours"),
        ("budget", "budget: {trials: 9, until_flat: ^1.0}", "until_flat in (0, 1)"),
        ("budget", "budget: {trials: 9, stall_minutes: ^0}", "stall_minutes > 0 or null"),
        ("budget", "budget: {trials: 9, checkpoint_minutes: ^0}", "checkpoint_minutes > 0 or null"),
        ("search", "search: {repeats: ^0}", "repeats >= 1"),
        (
            "budget",
            "budget: {trials: 9, gpus_per_trial: ^1.5}",
            "gpus_per_trial in [0, 1]: a trial trains on one GPU or a share of it, got 1.5",
        ),
        (
            "trial_seed",
            "trial_seed: ^9223372036854765808",
            "less than or equal to 9223372036854765807",
        ),
        ("trial_seed", f"trial_seed: ^{2**63}", "a whole number of at most 64 bits"),
        ("trial_seed", f"trial_seed: ^-{'9' * 5000}", "a whole number of at most 64 bits"),
        (
            "peft",
            f"  peft: [lora: {{r: {{low: 1, high: ^0x{'f' * 5000}, log: true}}}}]",
            "a whole number of at most 64 bits",
        ),
        (
            "first",
            f"first: [{{peft: {{lora: {{r: ^1{'0' * 400}}}}}}}]",
            "a whole number of at most 64 bits",
        ),
        ("task", f"task: {'[' * 100}^{'[' * 10}{']' * 110}", "nested at most 100 deep"),
        (
            "evaluation",
            "evaluation: {thresholds: [0, 0.1, ^0.1000001], objective_threshold: 0.1}",
            "differ in six digits, got 0.1 and 0.1000001",
        ),
        (
            "evaluation",
            "evaluation: {percentiles: [0.5, 0.9, ^0.90000001]}",
            "expected percentiles that differ in six digits",
        ),
        ("limits", "limits: [^'weight_bytes <= 3 ms']", "no unit 'ms' for weight_bytes"),
    ],
)
def test_place_and_words(key: str, marked: str, words: str) -> None:
    changes = {key: marked.replace("^", "")}
    if key in ("peft", "density"):
        changes["first"] = "first: []"
    message = only_problem(changes)
    assert message.startswith(f"s.yaml:{LINE[key]}:{marked.index('^') + 1}: "), message
    assert words in message


def test_a_space_without_the_baseline() -> None:
    message = only_problem({"activation": "  activation: [relu]"})
    assert message.startswith(f"s.yaml:{LINE['choose']}:9: ")
    assert "the space has no such combination" in message


def test_the_limit_that_lacks_its_baseline_is_pointed_at() -> None:
    """Not what `choose` says, which may need none."""
    limits = {
        "limits": "limits: [loss <= 1, score >= baseline(peft)]",
        "activation": "  activation: [relu]",
    }
    for choose in ("choose: knee", GOOD["choose"]):
        message = only_problem(limits | {"choose": choose})
        assert message.startswith(
            f"s.yaml:{LINE['limits']}:21: `score >= baseline(peft)` needs the baseline peft"
        )


def test_a_typo_in_the_space_does_not_hide_what_halving_asks_of_the_objectives() -> None:
    text = (
        "name: x\nspace: {pfet: [lora]}\nobjectives: [score, weight_bytes]\nstopping:"
        " halving\nbudget: {trials: 9}\n"
    )
    assert lines_of(problems_of(text)) == [2, 4]


def test_two_mistakes_in_one_member_are_both_reported() -> None:
    problems = problems_of(
        text_of({"peft": "  peft: [lora: {r: 0, alpha: 0, dropuot: 0.1}]", "first": "first: []"})
    )
    assert [str(p).split(": ", 1)[1].split(",")[0] for p in problems[:2]] == [
        "expected r >= 1",
        "expected alpha >= 1",
    ]
    assert "did you mean dropout?" in str(problems[2])


def test_illegal_combinations_are_excluded_with_the_reason() -> None:
    density = (
        "  density: [none, loss: {surrogate: tanh}, loss: {surrogate: {choice: [l0, tanh]}, eps:"
        " 1e-3}]"
    )
    spec = parse_spec(text_of({"density": density}), "s.yaml")
    assert {e.label.split()[2] for e in spec.excluded} == {"loss-2"}
    assert all(
        "eps has no effect" in e.reason and "density.loss-2.surrogate = tanh" in e.reason
        for e in spec.excluded
    )
    assert {c.label.split()[2] for c in spec.combinations} == {"none", "loss"}
    message = only_problem({"density": density, "first": "first: [{density: loss-2}]"})
    assert "is excluded" in message
    assert "eps has no effect" in message


def test_schedules_patterns_and_percentiles() -> None:
    changes = {
        "density": (
            "  density: [none, loss: {weight_warmup: {low: 0.1, high: 0.3}, eps_start_factor: {low:"
            " 1.5, high: 1e4, log: true}}]"
        ),
        "pruning": (
            "  pruning: [none, sparsegpt: {pattern: {choice: ['2:4', unstructured]}}, magnitude:"
            " {pattern: '4:8'}]"
        ),
        "evaluation": (
            "evaluation: {thresholds: [0, 0.1], objective_threshold: 0.1, percentiles: [0.5, 0.9]}"
        ),
    }
    spec = parse_spec(text_of(changes), "s.yaml")
    assert spec.evaluation.percentiles == (0.5, 0.9)
    by_name = {name: domain for c in spec.combinations for name, domain in c.open.items()}
    assert by_name["density.loss.eps_start_factor"] == Float(1.5, 1e4, log=True)
    assert by_name["density.loss.weight_warmup"] == Float(0.1, 0.3)
    assert by_name["pruning.sparsegpt.pattern"] == Categorical(("2:4", "unstructured"))
    assert Magnitude(pattern="4:8") in {c.template.pruning for c in spec.combinations}
    assert "rising percentiles" in only_problem(
        {"evaluation": "evaluation: {percentiles: [0.9, 0.5]}"}
    )


def test_no_legal_combination() -> None:
    changes = {
        "density": "  density: [loss: {reduction: feature_map}]",
        "training": "  training: {accumulation: 2}",
        "first": "first: []",
        "choose": "choose: knee",
    }
    message = only_problem(changes)
    assert "none of the 8 combinations is legal" in message
    assert "does not split" in message


def test_plain_peft_is_put_first_for_a_baseline() -> None:
    spec = parse_spec(text_of(), "s.yaml")
    assert [start.combination for start in spec.first] == [
        "pretrained lora none none none none",
        "relu lora none none none none",
    ]
    named = parse_spec(
        text_of({"first": "first: [{activation: relu}, {activation: pretrained}]"}), "s.yaml"
    )
    assert [start.combination for start in named.first] == [
        "relu lora none none none none",
        "pretrained lora none none none none",
    ]
    none = parse_spec(text_of({"choose": "choose: knee"}), "s.yaml")
    assert [start.combination for start in none.first] == ["relu lora none none none none"]


def test_a_baseline_that_limits_name_leads_the_first_points() -> None:
    """The search waits for it; one that only the policy names stays where the user put it."""
    named = {
        "first": "first: [{activation: relu}, {activation: pretrained}]",
        "choose": "choose: knee",
    }
    spec = parse_spec(
        text_of(named | {"limits": "limits: [score >= baseline(peft) - 0.1]"}), "s.yaml"
    )
    assert [start.combination for start in spec.first] == [
        "pretrained lora none none none none",
        "relu lora none none none none",
    ]
    dense = parse_spec(
        text_of(named | {"limits": "limits: [score >= baseline(dense) - 0.1]"}), "s.yaml"
    )
    assert [start.combination for start in dense.first] == [
        "relu lora none none none none",
        "pretrained lora none none none none",
    ]
    pruned = {
        "first": "first: [{pruning: wanda}]",
        "choose": "choose: knee where score >= baseline(dense)",
    }
    assert (
        parse_spec(text_of(pruned), "s.yaml").first[0].combination
        == "pretrained lora none none none none"
    ), "plain PEFT serves all"
    only = {
        "pruning": "  pruning: [wanda]",
        "first": "first: []",
        "choose": "choose: knee where score >= baseline(dense)",
    }
    assert "add pruning none and adaptive none" in only_problem(only)
    proxy = parse_spec(
        text_of(named | {"limits": "limits: [latency_sec <= baseline(peft)]"}), "s.yaml"
    )
    assert [start.combination for start in proxy.first] == [
        "relu lora none none none none",
        "pretrained lora none none none none",
    ]


def test_a_baseline_may_name_members_so_that_a_quantized_space_has_one() -> None:
    limit = "score >= baseline(peft, quantization: nf4) - 2 %"
    quantized = {
        "pruning": "  pruning: [none]\n  quantization: [nf4]",
        "first": "first: []",
        "choose": "choose: knee",
        "limits": f"limits: ['{limit}']",
    }
    spec = parse_spec(text_of(quantized), "s.yaml")
    assert spec.first[0].combination == "pretrained lora none none nf4 none"
    assert [str(each) for each in spec.limits] == [limit]
    other = quantized | {"limits": f"limits: ['{limit.replace('nf4', 'int8')}']"}
    message = only_problem(other)
    assert "density none, adaptive none, pruning none, quantization int8" in message
    assert "the space has no such combination" in message
    unquoted = quantized | {"limits": "limits: []", "choose": f"choose: knee where {limit}"}
    assert "in quotes" in only_problem(unquoted)


def test_members_of_one_kind_have_labels_of_their_own() -> None:
    spec = parse_spec(
        text_of(
            {
                "peft": "  peft: [lora: {r: 4}, lora: {r: {low: 8, high: 16}}]",
                "first": "first: [{peft: lora-2}]",
            }
        ),
        "s.yaml",
    )
    assert spec.first[-1].combination == "pretrained lora-2 none none none none"
    assert spec.first[-1].values["peft.lora-2.r"] == 12
    assert spec.config(spec.first[-1]).peft == Lora(r=12)


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "null", "3"])
def test_what_is_no_mapping(text: str) -> None:
    assert "expected a mapping" in str(problems_of(text)[0])


def test_missing_keys() -> None:
    messages = [str(p) for p in problems_of("dtype: fp32\n")]
    assert [
        next(word for word in ("name", "space", "budget") if f"`{word}`" in line)
        for line in messages
    ] == ["name", "space", "budget"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_spec(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="got a folder"):
        load_spec(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_spec(tmp_path / "latin.yaml")


@pytest.mark.parametrize("depth", [150, 400, 3000])
def test_what_is_nested_too_deep_is_one_problem(depth: int) -> None:
    assert "nested at most 100 deep" in only_problem({"task": f"task: {'[' * depth}{']' * depth}"})
    assert "nested at most 100 deep" in only_problem(
        {"task": f"task: {'{a: ' * depth}1{'}' * depth}"}
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_a_crash(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_spec(text, "s.yaml")


JSONISH = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 30)
    | st.floats(allow_nan=False)
    | st.sampled_from(["lora", "none", "loss", "relu", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "lora",
                    "loss",
                    "r",
                    "weight",
                    "low",
                    "high",
                    "log",
                    "choice",
                    "peft",
                    "trials",
                    "kind",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            "task",
            "activation",
            "peft",
            "density",
            "training",
            "first",
            "limits",
            "choose",
            "evaluation",
            "budget",
            "search",
        ]
    ),
    JSONISH,
)
def test_any_value_anywhere_is_a_spec_or_problems(key: str, value: object) -> None:
    head = "  " if GOOD[key].startswith("  ") else ""
    text = text_of({key: f"{head}{key}: {json.dumps(value)}"})
    outcome: list[Problem] = []
    try:
        parse_spec(text, "s.yaml")
    except ConfigError as error:
        outcome += error.problems
    assert all(problem.where.startswith("s.yaml:") for problem in outcome)


SMALL = "name: x\nspace: {}\nbudget: {trials: 9}\n"


@pytest.mark.parametrize(
    ("text", "stopping"),
    [
        ("", NoStopping()),
        ("stopping: none", NoStopping()),
        ("stopping: halving", Halving()),
        (
            "stopping: {halving: {eta: 4, rungs: 2, rank: spread, thresholds: objective}}",
            Halving(4, 2, "spread", "objective"),
        ),
    ],
)
def test_stopping_by_one_word_or_with_settings(text: str, stopping: Stopping) -> None:
    spec = parse_spec(SMALL + text, "x.yaml")
    assert spec.stopping == stopping
    several = {
        "none": (),
        "all": spec.evaluation.thresholds,
        "objective": (spec.evaluation.objective_threshold,),
    }
    assert (
        spec.rung_thresholds
        == several[stopping.thresholds if isinstance(stopping, Halving) else "none"]
    )


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("stopping: halvin", "4:11", "did you mean halving?"),
        ("stopping: {halving: {eta: 1}}", "4:27", "expected eta >= 2, got 1"),
        (
            "stopping: {halving: {rank: nds}}",
            "4:28",
            "expected one of spread, crowding, hypervolume, dominated",
        ),
        ("stopping: {halving: {rungs: 9}}", "4:11", "need at least 6561 training steps, got 100"),
        (
            "stopping: halving\nobjectives: [score, weight_bytes]",
            "4:11",
            "where weight_bytes is not measured yet",
        ),
    ],
)
def test_stopping_that_cannot_be(text: str, where: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_spec(SMALL + text, "x.yaml")
    (problem,) = error.value.problems
    assert problem.where == f"x.yaml:{where}"
    assert words in problem.what


def test_rungs_must_fit_into_the_shortest_trial() -> None:
    with pytest.raises(ConfigError, match="got 8"):
        parse_spec(
            "name: x\nspace: {training: {steps: {low: 8, high: 90}}}\nbudget: {trials:"
            " 9}\nstopping: halving",
            "x.yaml",
        )
    parse_spec(
        "name: x\nspace: {training: {steps: {choice: [90, 9]}}}\nbudget: {trials: 9}\nstopping:"
        " halving",
        "x.yaml",
    )
