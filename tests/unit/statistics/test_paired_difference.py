"""Differences of many rows: intervals that hold for all at once, and Holm's count."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from deft_sweeps.findings import Findings
from deft_sweeps.findings.equal_density import equal_density_gains, n_better_and_worse
from deft_sweeps.findings.front_json import front_json
from deft_sweeps.report.report_text import equal_density_told
from deft_sweeps.report.trial_tables import equal_density_table
from deft_sweeps.statistics.paired_difference import (
    PairedDifference,
    paired_difference,
    simultaneous,
)
from tests.made_sweep import sweep_results

N_SWEEPS, N_ROWS, N_EXAMPLES = 1000, 20, 400


def rows_without_gain(rng: np.random.Generator) -> list[PairedDifference]:
    """Rows of one sweep: pairs of equally good trainings that share what is hard in an example."""
    hard = rng.standard_normal(N_EXAMPLES)
    # Neighbouring thresholds of a trial share most of their noise, as 5 trials of 4 points do.
    own = np.repeat(rng.standard_normal((2, N_ROWS // 4, N_EXAMPLES)), 4, axis=1)
    single = rng.standard_normal((2, N_ROWS, N_EXAMPLES))
    right = (hard + 0.5 * own + 0.4 * single < 1.0).astype(float)
    differences = [paired_difference(deft, plain) for deft, plain in zip(*right, strict=True)]
    return [one for one in differences if one is not None]


def test_sweeps_without_any_gain_rarely_show_one() -> None:
    rng = np.random.default_rng(3)
    corrected = single = by_interval = 0
    for _ in range(N_SWEEPS):
        rows = rows_without_gain(rng)
        single += any(one.outcome for one in rows)
        held = simultaneous(rows)
        corrected += any(one.outcome for one in held)
        by_interval += any(one.low > 0 or one.high < 0 for one in held)
    # Three standard errors of the simulation.
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / N_SWEEPS)
    assert corrected / N_SWEEPS <= most
    assert by_interval / N_SWEEPS <= most
    assert single / N_SWEEPS > 0.15


def made(value: float, error: float = 0.01, **changes: object) -> PairedDifference:
    one = PairedDifference(value, error, value - 0.0196, value + 0.0196, 100)
    return replace(one, **changes)  # type: ignore[arg-type]


def test_intervals_widen_with_the_rows_and_holm_tells_more_than_they() -> None:
    rows = [made(0.05), made(-0.0235), made(0.0), made(0.0, 0.0), made(0.02, 0.0)]
    held = simultaneous(rows)
    # Bonferroni for 5 rows: the 0.995 quantile of the normal distribution.
    assert held[0].high - held[0].value == pytest.approx(2.5758293 * 0.01)
    assert [one.n_rows for one in held] == [5] * 5
    # p of -0.0235 is 0.0188, more than the third of 5 % that the third smallest of five may have.
    assert [one.outcome for one in held] == [1, 0, 0, 0, 1]
    # Of three it is the last, which may have 5 %; its interval is one of 98.3 %.
    step = simultaneous([made(0.05), made(-0.0235), made(0.06)])[1]
    assert (step.outcome, step.low < 0 < step.high) == (-1, True)


def test_bootstrapped_rows_are_corrected_from_their_standard_error() -> None:
    rows = [made(0.03, method="bootstrap"), made(0.0, method="bootstrap")]
    held = simultaneous(rows)
    assert held[0].high == pytest.approx(0.03 + 2.2414027 * 0.01)
    assert [one.outcome for one in held] == [1, 0]


def test_one_row_stays_as_it_is() -> None:
    alone = paired_difference([1, 1, 0, 1], [0, 1, 0, 0])
    assert alone is not None
    assert simultaneous([alone]) == [alone]
    assert simultaneous([]) == []


def test_table_sentence_and_json_say_that_they_are_corrected() -> None:
    results = sweep_results()
    gains = equal_density_gains(results)
    compared = [gain.difference for gain in gains if gain.difference]
    n, (better, worse) = len(compared), n_better_and_worse(gains)
    assert n > 1
    assert {one.n_rows for one in compared} == {n}
    note = equal_density_table(gains, None).note
    assert f"hold for all {n} compared rows of the sweep at once" in note
    assert "not corrected" not in note
    # A part of the table is corrected for the whole.
    assert f"all {n} compared rows" in equal_density_table(gains[: len(gains) // 2], None).note
    text = equal_density_told(gains)
    assert f"better in {better}, worse in {worse}" in text
    assert f"Corrected for {n} comparisons" in text
    findings = Findings(results, ("score", "activation_density"))
    document = json.loads(front_json(findings.front, gains=gains))["equal_density"]
    assert (document["n_compared"], document["n_better"]) == (n, better)
    assert [row["low"] for row in document["compared"]] == [one.low for one in compared]
    assert "at once" in document["interval"]
