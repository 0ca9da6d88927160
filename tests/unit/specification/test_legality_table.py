from dataclasses import replace
from typing import get_args

from deft_sweeps.config import axes
from deft_sweeps.config.axes import Adapter, Int8, Lora
from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.legality_table import (
    MEMBER_AXES,
    CheckedCombination,
    LegalityTable,
    table_of_all_members,
    table_of_sweep,
    variants,
)
from deft_sweeps.specification.spec_reader import parse_spec

TABLE = table_of_all_members()


def test_holds_every_member_of_every_axis() -> None:
    assert {name.split()[0] for name in TABLE.names["peft"]} == {
        member().kind for member in get_args(axes.Peft)
    }
    assert {name.split()[0] for name in TABLE.names["quantization"]} == {
        member().kind for member in get_args(axes.Quantization)
    }
    assert TABLE.names["activation"] == get_args(axes.Activation)
    assert {"activation", "peft", "density", "quantization", "pruning"} <= set(MEMBER_AXES)


def test_variants_are_switches_and_named_choices_one_at_a_time() -> None:
    made = dict(variants("lora", Lora))
    assert made["lora"] == Lora()
    assert made["lora dora"] == Lora(dora=True)
    assert made["lora rslora"] == Lora(rslora=True)
    placed = dict(variants("adapter", Adapter))
    assert placed == {
        "adapter": Adapter(),
        **{f"adapter {p}": Adapter(placement=p) for p in ("houlsby", "parallel")},
    }


def test_the_answers_are_those_of_the_rules() -> None:
    config = TrialConfig(peft=Lora(dora=True))
    assert (illegal(config) is None) == (
        TABLE.answer(peft="lora dora", quantization="none") != "no"
    )
    assert (illegal(replace(config, quantization=Int8())) is None) == (
        TABLE.answer(peft="lora dora", quantization="int8") != "no"
    )
    assert TABLE.answer(peft="lora dora") == "some"
    assert 0 < TABLE.n_legal < len(TABLE.checked)


def test_a_reason_names_only_the_axes_that_it_is_about() -> None:
    reasons = {refusal.reason: refusal.where for refusal in TABLE.refusals}
    (where,) = [where for reason, where in reasons.items() if reason.startswith("DoRA needs")]
    assert where == {"peft": ("lora dora",), "quantization": ("int8",)}


def test_answers_by_hand() -> None:
    checked = tuple(
        CheckedCombination({"peft": p, "pruning": q}, "no" if (p, q) == ("a", "y") else None)
        for p in "ab"
        for q in "xy"
    )
    table = LegalityTable({"peft": ("a", "b"), "pruning": ("x", "y")}, checked)
    assert (
        table.answer(peft="a"),
        table.answer(peft="b"),
        table.answer(peft="a", pruning="y"),
    ) == ("some", "yes", "no")
    (refusal,) = table.refusals
    assert refusal.where == {"peft": ("a",), "pruning": ("y",)}


def test_a_sweeps_own_members_and_what_its_model_forbids() -> None:
    text = (
        "name: x\nspace: {peft: [lora: {dora: true}, lora, adapter], quantization: [none,"
        " int8]}\nbudget: {trials: 1}\n"
    )
    spec = parse_spec(text, "x.yaml")
    table = table_of_sweep(
        spec,
        lambda combination: ["too wide"] if isinstance(combination.template.peft, Adapter) else [],
    )
    assert table.names["peft"] == ("lora-1", "lora-2", "adapter") or len(table.names["peft"]) == 3
    assert table.answer(peft="adapter") == "no"
    assert table.n_legal == 3
    assert {refusal.reason.split()[0] for refusal in table.refusals} == {"DoRA", "too"}
