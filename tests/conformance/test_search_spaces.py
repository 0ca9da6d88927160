"""Every YAML that is shipped: it loads, the schema takes it, and each of its points survives JSON
and is found again.
"""

import os
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.sweep_projection import project
from deft_sweeps.specification.domain import ends, middle
from deft_sweeps.specification.sweep_file import SweepPart, load_parts
from deft_sweeps.specification.yaml_schema import json_schema

FOLDER = Path(__file__).parents[2] / "search_spaces"
FILES = sorted(FOLDER.rglob("*.yaml"))
CONFIG_IDS = Path(__file__).parents[1] / "golden" / "config_ids.txt"
PARTS = [(file, part) for file in FILES for part in load_parts(file)]


def test_there_are_search_spaces() -> None:
    assert {"quickstart.yaml", "own_data.yaml"} <= {file.name for file in FILES}
    assert not list(FOLDER.rglob("*.yml")), "one ending, so that none escapes this walk"


@pytest.mark.parametrize(
    "part",
    [part for _, part in PARTS],
    ids=[f"{file.name} {part.spec.name}" for file, part in PARTS],
)
class TestSweep:
    def test_points_round_trip(self, part: SweepPart) -> None:
        spec = part.spec
        for combination in spec.combinations:
            tried = [{*ends(domain), middle(domain)} for domain in combination.open.values()]
            for values in product(*tried):
                config = combination.config(dict(zip(combination.open, values, strict=True)))
                read = codec(TrialConfig).validate_json(codec(TrialConfig).dump_json(config))
                assert read == config
                assert read.config_id == config.config_id
                start = spec.locate(read)
                assert start is not None
                assert spec.config(start) == config
                assert spec.config(start).config_id == config.config_id

    def test_first_points_are_of_the_space(self, part: SweepPart) -> None:
        for start in part.spec.first:
            assert part.spec.locate(part.spec.config(start)) == start

    def test_what_is_given_away_beside_a_baseline_is_certified(self, part: SweepPart) -> None:
        """Judged by the value alone, the choice breaks its limit in most samples of examples."""
        limits = (*part.spec.limits, *part.spec.choose.where)
        compared = [limit for limit in limits if limit.bound.baseline == "peft"]
        margins = [limit for limit in compared if limit.metric == "score"]
        assert {str(limit.bare) for limit in margins} <= {"score >= baseline(peft) - 0.02"}
        # Without a selection split nothing is certified, so the limit takes an interval itself.
        assert all(limit.surely == (part.spec.splits.selection == 0) for limit in margins)
        assert part.spec.splits.selection in (0, 1200, 2000, 2400)

    def test_it_is_planned(self, part: SweepPart) -> None:
        planned = project(
            part.spec, layout(read_config(part.spec.combinations[0].template.model)), n_cores=4
        )
        assert planned.trials.keys() == part.spec.by_label.keys()
        assert bool(planned.gpus) == (part.spec.budget.gpu_share > 0)

    def test_schema_accepts_it(self, part: SweepPart) -> None:
        jsonschema.Draft202012Validator(json_schema()).validate(
            YAML(typ="safe", pure=True).load(part.text)
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
class TestFile:
    def test_header_says_what_it_is(self, file: Path) -> None:
        head = [line for line in file.read_text().splitlines() if line.startswith("#")]
        assert [line.split()[1] for line in head if line[2:3].isupper()][:3] == [
            "What:",
            "Cost:",
            "Command:",
        ]

    def test_header_names_the_gpu_memory_that_is_projected(self, file: Path) -> None:
        named = re.search(r"([\d.]+) GiB of GPU memory a trial", file.read_text())
        parts = load_parts(file)
        if len(parts) > 1 or not parts[0].spec.budget.gpu_share:
            assert named is None
            return
        spec = parts[0].spec
        planned = project(spec, layout(read_config(spec.combinations[0].template.model)), n_cores=4)
        assert named is not None
        assert float(named.group(1)) == pytest.approx(
            planned.trials[planned.largest].memory_bytes / 2**30, rel=0.05
        )


def test_configurations_keep_their_ids() -> None:
    """Results are found by them: a setting added later leaves them as they are at its default.

    `UPDATE_GOLDEN=1` adds new files; a line that changes breaks every sweep that is under way.
    """
    lines = []
    for file, part in PARTS:
        for combination in part.spec.combinations:
            values = {name: middle(domain) for name, domain in combination.open.items()}
            # The file leaves the dtype to the machine.
            config = replace(combination.config(values), dtype="bf16")
            lines.append(
                f"{file.name} {part.spec.name} | {combination.label} | {config.config_id}\n"
            )
    if os.environ.get("UPDATE_GOLDEN"):
        CONFIG_IDS.write_text("".join(lines), "utf-8")
    assert lines == CONFIG_IDS.read_text("utf-8").splitlines(keepends=True)
