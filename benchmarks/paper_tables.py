"""The DEFT paper's tables next to the results of `search_spaces/paper_tables.yaml`.

    python -m benchmarks.paper_tables DIR [--json]

DIR is the folder of the sweeps, for example runs/paper; rows that have not run are left out.
Published figures are from arXiv 2402.01911: means over five seeds on the development set. Measured
figures are means over this project's seeds, on validation examples cut off the training set. On the
development set, each role has a line of its own: the baseline (plain PEFT without a threshold), the
chosen point, and its twin (plain PEFT at a threshold). Densities are the percentage of gate entries
that are not zero. The paper counts padding, this project does not.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from deft_sweeps.result import DensityReading, Score
from deft_sweeps.store.sweep_dir import SweepDir


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, in percent; None if the paper does not give the figure.

    Attributes:
        sweep: name of the part of search_spaces/paper_tables.yaml.
        peft, deft: without and with the density loss: score, density of the encoder, of the
            decoder.
    """

    sweep: str
    method: str
    metric: str
    peft: tuple[float | None, float | None, float | None]
    deft: tuple[float | None, float | None, float | None]


PUBLISHED = (
    Row("paper-t5-small-squad", "adapter", "token_f1", (82.58, 4.76, 4.07), (82.41, 3.51, 1.95)),
    Row("paper-t5-small-squad", "lora", "token_f1", (82.60, 4.80, 3.97), (82.38, 3.33, 1.51)),
    Row("paper-t5-base-squad", "adapter", "token_f1", (88.28, 2.64, 3.22), (88.21, 1.61, 0.96)),
    Row("paper-t5-base-squad", "lora", "token_f1", (88.33, 2.70, 3.19), (88.42, 1.41, 0.58)),
    Row(
        "paper-flan-t5-xl-squad",
        "adapter",
        "token_f1",
        (92.81, 99.99, 99.96),
        (92.52, 61.53, 18.70),
    ),
    Row("paper-flan-t5-xxl-squad", "lora", "token_f1", (None, None, None), (None, None, None)),
    Row(
        "paper-roberta-base-sst2", "adapter", "accuracy", (94.19, 99.59, None), (94.15, 70.78, None)
    ),
    Row(
        "paper-roberta-large-sst2",
        "adapter",
        "accuracy",
        (96.02, 93.90, None),
        (95.80, 40.68, None),
    ),
)


TEST = "measured, test, "
"""Prefix of the source of a line on the test split; the role follows."""


@dataclass(frozen=True, slots=True)
class Line:
    """One method with or without the density loss, in percent.

    Attributes:
        source: `published`, or `measured` with the split and, on the test split, the role.
        n_seeds: number of trials in the mean; 5 for published figures.
        threshold: entries at or below it are zeroed.
    """

    sweep: str
    method: str
    density_loss: bool
    source: str
    n_seeds: int
    score: float | None
    encoder: float | None
    decoder: float | None
    threshold: float = 0.0


def lines_of(row: Row, root: Path) -> list[Line]:
    """The published and the measured lines of a row, plain PEFT first."""
    sweep = SweepDir(root / row.sweep)
    trials = [
        result
        for result in sweep.results()
        if result.status == "complete" and result.config.peft.kind == row.method
    ]
    finals = sweep.finals()
    lines = []
    for density_loss, published in ((False, row.peft), (True, row.deft)):
        lines.append(Line(row.sweep, row.method, density_loss, "published", 5, *published))
        same = [trial for trial in trials if (trial.config.density.kind == "loss") == density_loss]
        if same:
            readings = [
                (trial.points[0].score, trial.exact_density or trial.points[0].density)
                for trial in same
            ]
            lines.append(
                Line(
                    row.sweep,
                    row.method,
                    density_loss,
                    "measured, validation",
                    len(same),
                    *_means(row.metric, readings),
                )
            )
        # By role: baseline and twin are usually one trial, without and at a threshold.
        ids = {trial.trial_id for trial in same}
        for final in finals:
            if final.trial_id in ids:
                point = final.point
                means = _means(row.metric, [(point.score, point.density)])
                source = TEST + final.role
                lines.append(
                    Line(row.sweep, row.method, density_loss, source, 1, *means, point.threshold)
                )
    return lines


def _means(
    metric: str, readings: Sequence[tuple[Score, DensityReading]]
) -> tuple[float, float | None, float | None]:
    scores = [
        score.value if score.metric == metric else score.also[metric] for score, _ in readings
    ]
    encoders = [fmean(density.encoder_blocks) for _, density in readings if density.encoder_blocks]
    decoders = [fmean(density.decoder_blocks) for _, density in readings if density.decoder_blocks]
    return (
        100 * fmean(scores),
        100 * fmean(encoders) if encoders else None,
        100 * fmean(decoders) if decoders else None,
    )


def change(peft: float | None, deft: float | None) -> float | None:
    """Relative decrease (peft - deft) / peft, in percent."""
    return None if not peft or deft is None else 100 * (peft - deft) / peft


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.2f}':>8s}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lines = [line for row in PUBLISHED for line in lines_of(row, arguments.folder)]
    if arguments.json:
        print(json.dumps([asdict(line) for line in lines], indent=1))
        return
    heads = ("threshold", "score", "encoder", "decoder", "less", "less")
    names = "".join(f"{head:>10s}" if head == "threshold" else f"{head:>8s}" for head in heads)
    print(f"{'sweep':26s} {'method':8s} {'':5s} {'source':24s} seeds{names}")
    for line, plain in beside_plain(lines):
        lessened = (
            [] if plain is None else [(plain.encoder, line.encoder), (plain.decoder, line.decoder)]
        )
        changes = [change(*pair) for pair in lessened] or [None, None]
        name = "DEFT" if line.density_loss else "PEFT"
        cells = "".join(
            _cell(value) for value in (line.score, line.encoder, line.decoder, *changes)
        )
        where = f"{line.sweep:26s} {line.method:8s} {name:5s} {line.source:24s}"
        print(f"{where} {line.n_seeds:5d}{line.threshold:10.4g}{cells}")


def beside_plain(lines: Sequence[Line]) -> list[tuple[Line, Line | None]]:
    """Each DEFT line with the plain line that it is compared with; plain lines with None.

    On the test split the comparison is with the baseline. The twin has the chosen point's density
    by construction, so a comparison with it would be empty.
    """

    def source(line: Line) -> str:
        return line.source.removesuffix("chosen" if line.density_loss else "baseline")

    plain = {(one.sweep, one.method, source(one)): one for one in lines if not one.density_loss}
    return [
        (line, plain.get((line.sweep, line.method, source(line))) if line.density_loss else None)
        for line in lines
    ]


if __name__ == "__main__":
    main()
