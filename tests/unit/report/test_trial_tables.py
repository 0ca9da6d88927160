"""Tables over all trials: every trial, gains at equal density, weight sparsity."""

from dataclasses import replace

from deft_sweeps.findings import choose
from deft_sweeps.findings.equal_density import equal_density_gains
from deft_sweeps.report.trial_tables import (
    equal_density_table,
    sparsity_table,
    summary,
    trials_table,
)
from tests.made_sweep import sweep_results, sweep_spec
from tests.samples import complete

RESULTS = sweep_results()
SPEC = sweep_spec()
CHOICE = choose(RESULTS, SPEC.objectives, SPEC.limits, SPEC.choose)


def test_every_trial_is_listed_failed_ones_with_the_reason() -> None:
    table = trials_table(RESULTS, 0.01)
    assert [row.cells[0] for row in table.rows] == [result.trial_id for result in RESULTS]
    (failed,) = [row for row in table.rows if row.mark == "failed"]
    assert failed.cells[1] == "failed"
    assert "not finite at step 17" in failed.cells[-1]
    assert summary(RESULTS) == "10 trials (8 complete, 1 failed, 1 stopped), 40 measured points"


def test_gains_are_shown_whichever_way_they_fall() -> None:
    gains = equal_density_gains(RESULTS)
    table = equal_density_table(gains, None)
    assert len(table.rows) == len(gains)
    texts = [row.cells[-2] for row in table.rows]
    assert any(text.startswith("+") for text in texts)
    assert any(text.startswith("-") for text in texts)
    remarks = [row.cells[-1] for row in table.rows if row.cells[-2] == "–"]
    assert remarks
    assert all("outside the plain trial's densities" in remark for remark in remarks)


def test_weight_sparsity_is_told_by_kind_of_layer_of_pruned_trials_only() -> None:
    assert sparsity_table(RESULTS).rows == ()
    shares = {"encoder.block.0.q": 0.5, "encoder.block.1.q": 0.25, "decoder.block.0.wo": 0.75}
    table = sparsity_table((replace(complete(RESULTS[0]), layer_sparsity=shares), RESULTS[1]))
    assert [row.cells[2:] for row in table.rows] == [
        ("q", "2", "0.375", "0.250", "0.500"),
        ("wo", "1", "0.750", "0.750", "0.750"),
    ]
