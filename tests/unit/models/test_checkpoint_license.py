"""What a checkpoint's own files say of its licence."""

import json
from importlib.metadata import distribution, metadata
from pathlib import Path

import pytest

from deft_sweeps.models.checkpoint_license import checkpoint_license
from deft_sweeps.packaged.checkpoint_conversion import NAMES

NOTHING = ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_model_has_the_licence_that_its_package_states(name: str) -> None:
    license_name, source = checkpoint_license(name, {})
    package, _, release = source.removeprefix("the package ").partition("==")
    stated = metadata(package)
    assert stated["Version"] == release
    description = distribution(package).read_text("METADATA") or ""
    # A licence of the weights in the description comes before that of the package's code.
    of_weights = "Apache 2.0" if "model weights are distributed" in description else None
    expected = of_weights or stated["License-Expression"] or stated["License"]
    assert license_name == expected.lower().replace("apache 2.0", "apache-2.0")


def test_a_folder_has_the_licence_of_its_config_or_card(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    assert checkpoint_license(str(tmp_path), {}) == NOTHING
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-4.0\ntags: [x]\n---\n# A model\n")
    assert checkpoint_license(str(tmp_path), {}) == ("cc-by-4.0", "README.md")
    assert checkpoint_license(str(tmp_path), {"license": "mit"}) == ("mit", "config.json")


@pytest.mark.parametrize(
    "card",
    [
        "# A model\n\n---\nlicense: mit\n---\n",
        "---\nlicense: [mit, bsd]\n---\n",
        "---\n- license\n---\n",
        "---\nlicense: {\n---\n",
        "---\nlicense: mit",
        "\udcff",
    ],
)
def test_a_card_without_metadata_states_nothing(tmp_path: Path, card: str) -> None:
    (tmp_path / "README.md").write_bytes(card.encode("utf-8", "surrogateescape"))
    assert checkpoint_license(str(tmp_path), {}) == NOTHING


def test_the_card_of_a_hub_model_is_not_fetched() -> None:
    assert checkpoint_license("google/flan-t5-small", {}) == NOTHING
