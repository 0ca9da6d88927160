"""The paper's tables: each role on the test split has a line of its own."""

from pathlib import Path

import pytest

from benchmarks.paper_tables import Row, beside_plain, lines_of
from deft_sweeps.store.sweep_dir import SweepDir
from tests.made_sweep import sweep_finals, sweep_results

ROW = Row("made", "lora", "accuracy", (80.0, 99.0, 98.0), (79.0, 20.0, 3.0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the sweep `made`, whose baseline and twin are one trial."""
    sweep = SweepDir(tmp_path / ROW.sweep)
    for result in sweep_results():
        sweep.write(result)
    for final in sweep_finals():
        sweep.final_record().write(final)
    return tmp_path


def test_plain_peft_on_test_is_the_baseline_and_not_its_thresholded_twin(root: Path) -> None:
    finals = {final.role: final for final in sweep_finals()}
    assert finals["baseline"].trial_id == finals["twin"].trial_id
    lines = {line.source: line for line in lines_of(ROW, root) if "test" in line.source}
    assert list(lines) == [f"measured, test, {role}" for role in ("baseline", "twin", "chosen")]
    for role, final in finals.items():
        line = lines[f"measured, test, {role}"]
        assert line.score == pytest.approx(100 * final.point.score.value)
        assert line.encoder == pytest.approx(100 * final.point.density.encoder)
        assert line.threshold == final.point.threshold
        assert line.density_loss == (role == "chosen")


def test_a_lower_density_on_test_is_one_beside_the_baseline(root: Path) -> None:
    compared = {line.source: plain for line, plain in beside_plain(lines_of(ROW, root)) if plain}
    assert {source: plain.source for source, plain in compared.items()} == {
        "published": "published",
        "measured, validation": "measured, validation",
        "measured, test, chosen": "measured, test, baseline",
    }
