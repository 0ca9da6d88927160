"""What a sweep's own trials say of its plan."""

from collections.abc import Iterator
from pathlib import Path

from deft_sweeps.config.layout import Layout
from deft_sweeps.errors import StoreError
from deft_sweeps.projection.measured_peaks import peak_ratios, ratio_words
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir


def measured_notes(file: Path, spec: SweepSpec, layout: Layout) -> Iterator[str]:
    """A sentence for each kind of trial that was measured to need more memory than projected.

    Results that cannot be read are a sentence too.

    Args:
        file: of the spec. Only that in a sweep's folder has trials.
        spec: of the sweep.
        layout: of its model.
    """
    sweep = SweepDir(file.parent)
    if file.name != sweep.spec_path.name or not sweep.has_results():
        return
    try:
        results = sweep.results()
    except StoreError as error:
        yield f"what its trials needed is not in this plan: {error}"
        return
    within_space = [result for result in results if spec.locate(result.config) is not None]
    for on_gpu in (False, True):
        ratios = peak_ratios(within_space, layout, spec.evaluation, on_gpu=on_gpu)
        for kind, ratio in sorted(ratios.items()):
            if ratio > 1:
                yield f"{ratio_words(kind, ratio)}; a resumed sweep counts on as much more"
