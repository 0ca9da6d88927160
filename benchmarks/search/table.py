"""A table of real trainings (make_table.py) as a landscape, also where only a part of it is trained
yet.
"""

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


@dataclass(frozen=True, slots=True)
class Row:
    """One training.

    Attributes:
        rungs: steps, rising, with what was measured there.
        train_sec: of all steps, on the machine that trained it.
    """

    config: TrialConfig
    seed: int
    rungs: tuple[tuple[int, tuple[Point, ...]], ...]
    train_sec: float

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(step for step, _ in self.rungs)


def read(path: Path) -> tuple[Row, ...]:
    """Rows of a packed table, or of a folder with a JSON a training.

    Raises:
        FileNotFoundError: there is neither.
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


def complete_part(spec: SweepSpec, known: frozenset[str]) -> SweepSpec:
    """The largest space within `spec` of which every configuration is known: values are left out of
    a choice everywhere alike; then a combination that still lacks some stands at one value of a
    choice, which is no longer open there, or is left out. The whole space where nothing lacks.

    Raises:
        ValueError: there is none with more than one configuration, or a setting is no choice.
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
            kept = max(
                (c for c in (narrow, *_fixed(narrow)) if _is_known(c, known)),
                key=_size,
                default=None,
            )
            if kept is not None:
                whole.append(kept)
                n += _size(kept)
        if n > best[0]:
            best = (n, tuple(whole))
    if not best[1]:
        raise ValueError(
            f"{spec.name}: too little is trained: no space of two configurations is complete"
        )
    return replace(spec, combinations=best[1], first=())


def _fixed(combination: Combination) -> Iterator[Combination]:
    """The combination with one of its choices at one of its values."""
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


def _is_known(combination: Combination, known: frozenset[str]) -> bool:
    return all(config.config_id in known for config in configurations(combination))


def _size(combination: Combination) -> int:
    return sum(1 for _ in configurations(combination))


def configurations(combination: Combination) -> Iterator[TrialConfig]:
    """All of a combination of choices."""
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

    A trial with a seed that was trained gives that training's rows, bit by bit. One with another
    seed gives the configuration's mean with the noise of one repeated training drawn at random: its
    curve's distance from its own configuration's mean over seeds, added to the score and as a
    factor to the densities. Truth is that mean, which is predicted from all trainings
    (`mixed_model`): a lucky seed is pulled towards what its settings give elsewhere, the less the
    more seeds there are. Where no configuration has a second seed, nothing is known of luck, and
    truth is what was measured.
    """

    name: str
    spec: SweepSpec
    rows: tuple[Row, ...]
    n_wanted: int

    @cached_property
    def by_config(self) -> dict[str, dict[int, Row]]:
        found: dict[str, dict[int, Row]] = {}
        for row in self.rows:
            found.setdefault(row.config.config_id, {})[row.seed] = row
        return {config.config_id: found[config.config_id] for config in self.configs}

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
        told = [
            [config.config_id, sorted(self.by_config[config.config_id])] for config in self.configs
        ]
        true = [self.means[config.config_id].round(6).tolist() for config in self.configs]
        return hashlib.sha256(json.dumps([told, true]).encode()).hexdigest()[:12]

    @property
    def note(self) -> str:
        repeated = sum(len(curves) > 1 for _, curves in self._trained.values())
        truth = (
            "predicted from all trainings by a mixed model with that noise"
            if repeated
            else "what was measured"
        )
        return (
            f"{len(self.configs)} of {self.n_wanted} configurations, measured; {repeated} with"
            f" several seeds, which give the noise; a configuration's true mean: {truth}"
        )

    @cached_property
    def _trained(self) -> dict[str, tuple[TrialConfig, Floats]]:
        """Every configuration of the rows, also outside the space, with its curves, shape
        (trainings, rungs, thresholds, 3).
        """
        found: dict[str, tuple[TrialConfig, list[Floats]]] = {}
        for row in self.rows:
            found.setdefault(row.config.config_id, (row.config, []))[1].append(_curve(row))
        return {name: (config, np.array(curves)) for name, (config, curves) in found.items()}

    @cached_property
    def deviations(self) -> tuple[Floats, ...]:
        """Of each training of a repeated configuration from its configuration's mean, shape (rungs,
        thresholds, 3): score, and the logarithms of the stacks' densities; widened by sqrt(n / (n -
        1)), which n seeds about their own mean fall short of.
        """
        found = []
        for _, curves in self._trained.values():
            if len(curves) > 1:
                found.extend(
                    (curves - curves.mean(axis=0)) * (len(curves) / (len(curves) - 1)) ** 0.5
                )
        return tuple(found)

    @cached_property
    def noise(self) -> Floats | None:
        """Variance of one training about its configuration's mean, shape (rungs, thresholds, 3);
        None where nothing was repeated.
        """
        repeated = [curves for _, curves in self._trained.values() if len(curves) > 1]
        return pooled_noise(repeated) if repeated else None

    @cached_property
    def means(self) -> dict[str, Floats]:
        """Of each configuration the true curve, shape (rungs, thresholds, 3), as in
        `deviations`.
        """
        told, n_seeds, levels = self._told
        means, noise = told.copy(), np.zeros(told.shape[1:]) if self.noise is None else self.noise
        for at in np.ndindex(noise.shape):
            means[:, *at] = predicted(told[:, *at], n_seeds, float(noise[at]), levels)
        return dict(zip(self._trained, means, strict=True))

    @cached_property
    def effects(self) -> Floats:
        """Covariance of the true means of `configs` at the last rung, shape (thresholds, 3, n, n),
        as `mixed_model` sees them.

        Raises:
            ValueError: nothing was repeated, so there is no model.
        """
        if self.noise is None:
            raise ValueError(
                f"{self.name}: no configuration has a second seed, so nothing is known of noise"
            )
        told, n_seeds, levels = self._told
        places = {name: place for place, name in enumerate(self._trained)}
        those = np.array([places[config.config_id] for config in self.configs])
        found = np.empty((*told.shape[2:], len(those), len(those)))
        for at in np.ndindex(told.shape[2:]):
            covariance = effects_covariance(
                told[:, -1, *at], n_seeds, float(self.noise[-1, *at]), levels
            )
            found[at] = covariance[np.ix_(those, those)]
        return found

    @cached_property
    def _told(self) -> tuple[Floats, Ints, Ints]:
        """Of each configuration the mean over its trainings, how many they are, and the settings'
        levels.
        """
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
        """A rung of the configuration's curve."""
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
    """Score and log densities (encoder, decoder; 0 where there is no decoder), shape (thresholds,
    3).
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
    """The landscape of what is trained.

    Raises:
        ValueError: too little is trained, or trainings differ in their rungs.
    """
    n_wanted = sum(1 for combination in spec.combinations for _ in configurations(combination))
    known = frozenset(row.config.config_id for row in rows)
    part = complete_part(spec, known)
    ladders = {row.steps for row in rows}
    if len(ladders) > 1:
        raise ValueError(f"{name}: trainings were measured at different steps: {sorted(ladders)}")
    return Table(name, part, tuple(rows), n_wanted)


def load(name: str, path: Path | None = None) -> Table:
    """The table `name` of benchmarks/tables; `path` is a folder of trainings, or another packed
    file, to read instead.

    Raises:
        ValueError: no such table, or too little in it.
    """
    source, spec_path = path or TABLES / f"{name}.jsonl.gz", TABLES / f"{name}.yaml"
    if not source.exists() or not spec_path.exists():
        known = sorted(file.stem for file in TABLES.glob("*.yaml"))
        raise ValueError(
            f"expected a closed form or one of {', '.join(known)} with trainings in {source}, got"
            f" {name!r}"
        )
    return table(name, load_spec(spec_path), read(source))
