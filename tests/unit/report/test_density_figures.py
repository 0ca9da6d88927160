"""The gain at equal density and the density by block as pictures."""

from deft_sweeps.findings.equal_density import equal_density_gains
from deft_sweeps.report.density_figures import density_by_block, gain_by_density
from deft_sweeps.result import DensityReading
from tests.drawn_spots import spots
from tests.made_sweep import sweep_results

RESULTS = sweep_results()


def test_gains_and_blocks_are_drawn() -> None:
    gains = equal_density_gains(RESULTS)
    assert len(spots(gain_by_density(gains))) == sum(gain.difference is not None for gain in gains)
    one = DensityReading(encoder_blocks=(0.1, 0.2), decoder_blocks=())
    assert "encoder block" in density_by_block(one, one)
    assert "decoder block" not in density_by_block(one, one)
