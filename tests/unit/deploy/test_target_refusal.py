from deft_sweeps.config.axes import Lora, Nf4
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.target_refusal import MODEL, family_layouts, target_refusals
from deft_sweeps.deploy.targets.export_targets import TARGETS
from deft_sweeps.models.families import FAMILIES
from deft_sweeps.specification.legality_table import table_of_all_members, table_of_sweep
from deft_sweeps.specification.spec_reader import parse_spec

LAYOUTS = family_layouts()
TABLE = table_of_all_members()


def test_a_shape_of_every_family() -> None:
    assert list(LAYOUTS) == list(FAMILIES)
    assert {shape.family for shape in LAYOUTS.values()} == set(FAMILIES)


def test_each_target_refuses_just_what_is_listed() -> None:
    """The members of a row go together in every way that is legal."""
    listed: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    refused: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    refusals = target_refusals(TABLE, LAYOUTS)
    for model, shape in LAYOUTS.items():
        for one in TABLE.checked:
            if one.reason is not None:
                continue
            assert one.config is not None
            key = (model, *one.parts.values())
            for target in TARGETS.values():
                for problem in target.problems(one.config, shape):
                    refused.setdefault((target.name, problem), set()).add(key)
            parts = {**one.parts, MODEL: model}
            for refusal in refusals:
                if all(parts[axis] in names for axis, names in refusal.where.items()):
                    for name in refusal.targets:
                        listed.setdefault((name, refusal.reason), set()).add(key)
    assert listed == refused
    assert {name for name, _ in listed} == {"hf", "ct2", "ct2-int8"}, "onnx takes all"


def test_what_has_to_export_does() -> None:
    t5 = LAYOUTS["t5"]
    for name in ("hf", "onnx", "ct2"):
        assert TARGETS[name].problems(TrialConfig(peft=Lora()), t5) == ()
    assert TARGETS["hf"].problems(TrialConfig(quantization=Nf4()), t5) == (), "as an adapter"


def test_one_sweep_by_hand() -> None:
    spec = parse_spec(
        "name: x\nspace: {peft: [lora, prompt_tuning, adapter], quantization: [none, nf4],"
        " adaptive: [none, ada]}\nbudget: {trials: 1}\n",
        "x.yaml",
    )
    table = table_of_sweep(spec, lambda _: [])
    on_t5 = target_refusals(table, {"m": LAYOUTS["t5"]})
    by_reason = {one.reason.split(" ")[0]: one for one in on_t5 if "that cannot" not in one.reason}
    assert by_reason["neither"].where == {"peft": ("adapter",)}
    assert by_reason["neither"].targets == ("hf",)
    assert by_reason["this"].where == {"peft": ("prompt_tuning", "adapter")}
    assert by_reason["this"].targets == ("ct2", "ct2-int8")
    on_bert = target_refusals(table, {"m": LAYOUTS["bert"]})
    everything = [one for one in on_bert if one.where == {}]
    assert [one.targets for one in everything] == [("ct2", "ct2-int8")]
    assert target_refusals(table, {}) == (), "a model that cannot be read forbids nothing"
