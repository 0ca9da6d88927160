"""Every YAML that is shipped: it loads, the schema takes it, and each of its points survives JSON and is found again."""

from itertools import product
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.spec.domain import ends, middle
from deft_sweeps.spec.load import load_spec
from deft_sweeps.spec.shape import json_schema

FOLDER = Path(__file__).parents[2] / "search_spaces"
FILES = sorted(FOLDER.rglob("*.yaml"))


def test_there_are_search_spaces() -> None:
    assert {"quickstart.yaml", "own_data.yaml"} <= {file.name for file in FILES}
    assert not list(FOLDER.rglob("*.yml")), "one ending, so that none escapes this walk"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
class TestSearchSpace:
    def test_points_round_trip(self, file: Path) -> None:
        spec = load_spec(file)
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

    def test_first_points_are_of_the_space(self, file: Path) -> None:
        spec = load_spec(file)
        for start in spec.first:
            assert spec.locate(spec.config(start)) == start

    def test_schema_accepts_it(self, file: Path) -> None:
        jsonschema.Draft202012Validator(json_schema()).validate(YAML(typ="safe", pure=True).load(file))

    def test_header_says_what_it_is(self, file: Path) -> None:
        head = [line for line in file.read_text().splitlines() if line.startswith("#")]
        assert [line.split()[1] for line in head if line[2:3].isupper()][:3] == ["What:", "Cost:", "Command:"]
