"""A table of real trainings (`make_table`) as a landscape, complete or not."""

import gzip
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.mixed_model import (
    Ints,
    effects_covariance,
    pooled_noise,
    predicted,
    settings,
)
from benchmarks.search.problem import Floats, directions, objective_values, point
from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.front import non_dominated
from deft_sweeps.result import Point
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.domain import Categorical, Value
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.specification.sweep_spec import SweepSpec

TABLES = Path(__file__).parents[1] / "tables"
NAMES = ("flan_t5_small_reviews", "minilm_sst2")
"""Of the tables there are."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training.

    Attributes:
        rungs: steps, rising, each with its measured points.
        train_sec: training time of all steps, on the machine that trained it.
    """

    config: TrialConfig
    seed: int
    rungs: tuple[tuple[int, tuple[Point, ...]], ...]
    train_sec: float

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(step for step, _ in self.rungs)


def read(path: Path) -> tuple[Row, ...]:
    """Rows of a packed table, or of a folder with one JSON file per training.

    Raises:
        FileNotFoundError: the path does not exist.
    """
    if path.is_dir():
        texts: Iterable[str] = [file.read_text() for file in sorted(path.glob("*.json"))]
    else:
        texts = gzip.decompress(path.read_bytes()).decode().splitlines()
    return tuple(_row(json.loads(text)) for text in texts)


def _row(made: dict[str, Any]) -> Row:
    rungs = []
    for rung in made["rungs"]:
        points = (
            point(
                p["threshold"],
                p["score"],
                p["encoder_density"],
                made["n_examples"],
                p.get("decoder_density"),
                p.get("loss", 0.0),
            )
            for p in rung["points"]
        )
        rungs.append((int(rung["step"]), tuple(points)))
    config: TrialConfig = codec(TrialConfig).validate_python(made["config"])
    return Row(config, int(made["seed"]), tuple(rungs), float(made["rungs"][-1]["train_sec"]))


def complete_part(spec: SweepSpec, trained: frozenset[str]) -> SweepSpec:
    """The largest subspace of `spec` in which every configuration is trained.

    First, values of a choice are removed in all combinations alike. A combination that still lacks
    trainings is fixed at one value of a choice, or removed. A complete space is returned whole.

    Raises:
        ValueError: no subspace with two configurations is complete, or a setting is no choice.
    """
    names = sorted({name for combination in spec.combinations for name in combination.open})
    best: tuple[int, tuple[Combination, ...]] = (1, ())
    for some in itertools.product(*(_parts(_choice(spec, name)) for name in names)):
        allowed = dict(zip(names, some, strict=True))
        whole = []
        n = 0
        for combination in spec.combinations:
            narrow = replace(
                combination, open={name: Categorical(allowed[name]) for name in combination.open}
            )
            largest = max(
                (c for c in (narrow, *_fixed(narrow)) if _is_trained(c, trained)),
                key=_size,
                default=None,
            )
            if largest is not None:
                whole.append(largest)
                n += _size(largest)
        if n > best[0]:
            best = (n, tuple(whole))
    if not best[1]:
        raise ValueError(
            f"{spec.name}: too little is trained: no space of two configurations is complete"
        )
    return replace(spec, combinations=best[1], first=())


def _fixed(combination: Combination) -> Iterator[Combination]:
    """The combination with one of its choices fixed at one of its values."""
    for name, domain in combination.open.items():
        others = {other: d for other, d in combination.open.items() if other != name}
        for value in (
            domain.values if isinstance(domain, Categorical) and len(domain.values) > 1 else ()
        ):
            first = {
                other: d.values[0] for other, d in others.items() if isinstance(d, Categorical)
            }
            yield replace(
                combination, open=others, template=combination.config(first | {name: value})
            )


def _is_trained(combination: Combination, trained: frozenset[str]) -> bool:
    return all(config.config_id in trained for config in configurations(combination))


def _size(combination: Combination) -> int:
    return sum(1 for _ in configurations(combination))


def configurations(combination: Combination) -> Iterator[TrialConfig]:
    """All configurations of a combination of choices."""
    choices = [
        domain.values for domain in combination.open.values() if isinstance(domain, Categorical)
    ]
    if len(choices) != len(combination.open):
        raise ValueError(f"{combination.label}: expected choices only")
    for picked in itertools.product(*choices):
        yield combination.config(dict(zip(combination.open, picked, strict=True)))


def _choice(spec: SweepSpec, name: str) -> Categorical:
    domain = next(
        combination.open[name] for combination in spec.combinations if name in combination.open
    )
    if not isinstance(domain, Categorical):
        raise ValueError(f"{name}: expected a choice")
    return domain


def _parts(choice: Categorical) -> list[tuple[Value, ...]]:
    values = choice.values
    return [part for n in range(1, len(values) + 1) for part in itertools.combinations(values, n)]


@dataclass(frozen=True)
class Table:
    """A Problem made of trainings.

    A trial with a trained seed returns the rows of that training unchanged. A trial with another
    seed returns the configuration's mean with random noise: the deviation of one repeated training
    from the mean of its own configuration, added to the score and multiplied to the densities.

    The mean is predicted from all trainings (`mixed_model`), which shrinks a lucky result towards
    what its settings give elsewhere; the more seeds, the less. If no configuration has a second
    seed, the noise is unknown and the measured values are the truth.
    """

    name: str
    spec: SweepSpec
    rows: tuple[Row, ...]
    n_wanted: int

    @cached_property
    def by_config(self) -> dict[str, dict[int, Row]]:
        rows: dict[str, dict[int, Row]] = {}
        for row in self.rows:
            rows.setdefault(row.config.config_id, {})[row.seed] = row
        return {config.config_id: rows[config.config_id] for config in self.configs}

    @cached_property
    def configs(self) -> tuple[TrialConfig, ...]:
        return tuple(
            config
            for combination in self.spec.combinations
            for config in configurations(combination)
        )

    @property
    def rungs(self) -> tuple[int, ...]:
        return next(iter(self.by_config[self.configs[0].config_id].values())).steps

    @cached_property
    def digest(self) -> str:
        seeds = [
            [config.config_id, sorted(self.by_config[config.config_id])] for config in self.configs
        ]
        true = [self.means[config.config_id].round(6).tolist() for config in self.configs]
        return hashlib.sha256(json.dumps([seeds, true]).encode()).hexdigest()[:12]

    @property
    def note(self) -> str:
        repeated = sum(len(curves) > 1 for _, curves in self._trained.values())
        truth = (
            "predicted from all trainings by a mixed model with that noise"
            if repeated
            else "what was measured"
        )
        return (
            f"{len(self.configs)} of {self.n_wanted} configurations, measured; {repeated} with "
            "several seeds, which give the noise; "
            f"a configuration's true mean: {truth}"
        )

    @cached_property
    def _trained(self) -> dict[str, tuple[TrialConfig, Floats]]:
        """Configurations of all rows with their curves, shape (trainings, rungs, thresholds, 3).

        Configurations outside the space are included.
        """
        curves_of: dict[str, tuple[TrialConfig, list[Floats]]] = {}
        for row in self.rows:
            curves_of.setdefault(row.config.config_id, (row.config, []))[1].append(_curve(row))
        return {name: (config, np.array(curves)) for name, (config, curves) in curves_of.items()}

    @cached_property
    def deviations(self) -> tuple[Floats, ...]:
        """Deviations of repeated trainings from their configuration's mean.

        Each has the shape (rungs, thresholds, 3): score, and the logarithms of the stacks'
        densities. They are widened by sqrt(n / (n - 1)), since n values lie too close to their own
        mean.
        """
        deviations = []
        for _, curves in self._trained.values():
            if len(curves) > 1:
                deviations.extend(
                    (curves - curves.mean(axis=0)) * (len(curves) / (len(curves) - 1)) ** 0.5
                )
        return tuple(deviations)

    @cached_property
    def noise(self) -> Floats | None:
        """Variance of one training about its configuration's mean, shape (rungs, thresholds, 3).

        None if no configuration was repeated.
        """
        repeated = [curves for _, curves in self._trained.values() if len(curves) > 1]
        return pooled_noise(repeated) if repeated else None

    @cached_property
    def means(self) -> dict[str, Floats]:
        """The true curve of each configuration, in the form of `deviations`."""
        observed, n_seeds, levels = self._observed
        means, noise = (
            observed.copy(),
            np.zeros(observed.shape[1:]) if self.noise is None else self.noise,
        )
        for at in np.ndindex(noise.shape):
            means[:, *at] = predicted(observed[:, *at], n_seeds, float(noise[at]), levels)
        return dict(zip(self._trained, means, strict=True))

    @cached_property
    def effects(self) -> Floats:
        """Covariance of the true means of `configs` at the last rung, shape (thresholds, 3, n, n).

        Raises:
            ValueError: no configuration was repeated, so there is no model.
        """
        if self.noise is None:
            raise ValueError(
                f"{self.name}: no configuration has a second seed, so nothing is known of noise"
            )
        observed, n_seeds, levels = self._observed
        places = {name: place for place, name in enumerate(self._trained)}
        those = np.array([places[config.config_id] for config in self.configs])
        covariances = np.empty((*observed.shape[2:], len(those), len(those)))
        for at in np.ndindex(observed.shape[2:]):
            covariance = effects_covariance(
                observed[:, -1, *at], n_seeds, float(self.noise[-1, *at]), levels
            )
            covariances[at] = covariance[np.ix_(those, those)]
        return covariances

    @cached_property
    def _observed(self) -> tuple[Floats, Ints, Ints]:
        """Mean and number of each configuration's trainings, and the levels of its settings."""
        of_each = [curves for _, curves in self._trained.values()]
        levels = settings([config for config, _ in self._trained.values()])
        return (
            np.array([curves.mean(axis=0) for curves in of_each]),
            np.array([len(curves) for curves in of_each]),
            levels,
        )

    def curve(self, config: TrialConfig, seed: int, step: int) -> tuple[Point, ...]:
        rung = self.rungs.index(step)
        rows = self.by_config[config.config_id]
        if seed in rows:
            return rows[seed].rungs[rung][1]
        off = np.zeros_like(self.means[config.config_id])
        if self.deviations:
            off = self.deviations[
                int(
                    np.random.default_rng([seed, int(config.config_id, 16)]).integers(
                        len(self.deviations)
                    )
                )
            ]
        return self._points(config, self.means[config.config_id] + off, rung)

    def _points(self, config: TrialConfig, curve: Floats, rung: int) -> tuple[Point, ...]:
        """The points of the configuration's curve at a rung."""
        some = next(iter(self.by_config[config.config_id].values())).rungs[rung][1]
        return tuple(
            _rebuilt(point, *values) for point, values in zip(some, curve[rung], strict=True)
        )

    def true_points(self, config: TrialConfig) -> Floats:
        return objective_values(
            self.spec.objectives, self._points(config, self.means[config.config_id], -1)
        )

    def true_front(self) -> Floats:
        return self._front

    @cached_property
    def _front(self) -> Floats:
        points = np.concatenate([self.true_points(config) for config in self.configs])
        front: Floats = points[non_dominated(points, directions(self.spec.objectives))]
        return front

    def step_sec(self, config: TrialConfig) -> float:
        return self._speeds[config.config_id]

    @cached_property
    def _speeds(self) -> dict[str, float]:
        taken = {
            name: float(np.mean([row.train_sec for row in rows.values()]))
            for name, rows in self.by_config.items()
        }
        mean = float(np.mean(list(taken.values())))
        return {name: sec / mean for name, sec in taken.items()}


def _curve(row: Row) -> Floats:
    """Shape (rungs, thresholds, 3)."""
    return np.array([log_curve(points) for _, points in row.rungs])


def log_curve(points: Sequence[Point]) -> Floats:
    """Score and log densities of encoder and decoder, shape (thresholds, 3).

    The last is 0 without a decoder.
    """
    return np.array([_numbers(point) for point in points])


def _numbers(at: Point) -> tuple[float, float, float]:
    density = at.density
    decoder = float(np.log(max(density.decoder, 1e-9))) if density.decoder_blocks else 0.0
    return at.score.value, float(np.log(max(density.encoder, 1e-9))), decoder


def _rebuilt(like: Point, score: float, encoder: float, decoder: float) -> Point:
    has_decoder = bool(like.density.decoder_blocks)
    written = min(float(np.exp(decoder)), 1.0) if has_decoder else None
    return point(
        like.threshold,
        min(max(float(score), 0.0), 1.0),
        min(float(np.exp(encoder)), 1.0),
        like.score.n_examples,
        written,
        like.loss,
    )


def table(name: str, spec: SweepSpec, rows: Sequence[Row]) -> Table:
    """The landscape of the trained part of a space.

    Raises:
        ValueError: too few configurations are trained, or trainings differ in their rungs.
    """
    n_wanted = sum(1 for combination in spec.combinations for _ in configurations(combination))
    trained = frozenset(row.config.config_id for row in rows)
    part = complete_part(spec, trained)
    ladders = {row.steps for row in rows}
    if len(ladders) > 1:
        raise ValueError(f"{name}: trainings were measured at different steps: {sorted(ladders)}")
    return Table(name, part, tuple(rows), n_wanted)


def load(name: str, path: Path | None = None) -> Table:
    """The table `name` of benchmarks/tables.

    Args:
        name: of the table and its space.
        path: folder of trainings, or packed file, to read instead.

    Raises:
        ValueError: there is no such table, or too few of its configurations are trained.
    """
    source, spec_path = path or TABLES / f"{name}.jsonl.gz", TABLES / f"{name}.yaml"
    if not source.exists() or not spec_path.exists():
        names = sorted(file.stem for file in TABLES.glob("*.yaml"))
        raise ValueError(
            f"expected a closed form or one of {', '.join(names)} with trainings in {source}, got "
            f"{name!r}"
        )
    return table(name, load_spec(spec_path), read(source))
