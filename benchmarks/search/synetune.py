"""Syne Tune's MO-ASHA (Schmucker et al.): random proposals, stopped early by non-dominated rank.

Runs in an environment of its own: its dependencies conflict with those of this project.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from benchmarks.search.problem import directions, objective_values
from benchmarks.search.repeats import Repeats
from benchmarks.search.simulate import Proposal
from deft_sweeps.result import Point
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import distributions, start_of

ENVIRONMENT = Path("runs/synetune")
PACKAGE = "syne-tune==0.16.0"
ETA = 3


def python(environment: Path) -> Path:
    return environment / "bin" / "python"


def install(environment: Path) -> None:
    """Makes the environment and installs Syne Tune in it.

    Raises:
        subprocess.CalledProcessError: it cannot be made, or the package cannot be downloaded.
    """
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    subprocess.run(
        [str(python(environment)), "-m", "pip", "install", "--quiet", PACKAGE], check=True
    )


def is_installed(environment: Path) -> bool:
    if not python(environment).exists():
        return False
    return (
        subprocess.run(
            [str(python(environment)), "-c", "import syne_tune"], capture_output=True, check=False
        ).returncode
        == 0
    )


@dataclass
class SyneTuneArm:
    """Talks to the scheduler in its process; rungs are numbered in powers of ETA."""

    spec: SweepSpec
    steps: tuple[int, ...]
    process: subprocess.Popen[str]
    repeats: Repeats

    def ask(self) -> Proposal:
        answer = self._request({"do": "ask"})
        config = self.spec.config(start_of(self.spec, answer["values"]))
        return Proposal(int(answer["number"]), config, self.repeats.seed(config))

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        return bool(
            self._request(
                {"do": "rung", "number": number, "t": self._t(step), "losses": self._losses(points)}
            )["may_continue"]
        )

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        if points is not None:
            self._request(
                {
                    "do": "end",
                    "number": number,
                    "t": self._t(self.steps[-1]),
                    "losses": self._losses(points),
                }
            )

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=30)

    def _t(self, step: int) -> int:
        return int(ETA ** self.steps.index(step))

    def _losses(self, points: tuple[Point, ...]) -> list[float]:
        at = [
            point for point in points if point.threshold == self.spec.evaluation.objective_threshold
        ]
        values = objective_values(self.spec.objectives, at)[0]
        turned = zip(values, directions(self.spec.objectives), strict=True)
        return [float(value if direction == "minimize" else -value) for value, direction in turned]

    def _request(self, message: dict[str, Any]) -> dict[str, Any]:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("Syne Tune's process has no pipes")
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("Syne Tune's process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def synetune_arm(
    spec: SweepSpec, steps: tuple[int, ...], seed: int, environment: Path, *, mended: bool
) -> SyneTuneArm:
    """Starts the process; `mended` corrects the ranks of version 0.16 to those of the paper."""
    settings = {
        "seed": seed,
        "space": {
            name: _domain(distribution) for name, distribution in distributions(spec).items()
        },
        "metrics": list(spec.objectives),
        "max_t": ETA ** (len(steps) - 1),
        "eta": ETA,
        "mended": mended,
    }
    worker = str(Path(__file__).with_name("synetune_worker.py"))
    process = subprocess.Popen(
        [str(python(environment)), worker],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    if process.stdin is not None:
        process.stdin.write(json.dumps(settings) + "\n")
    return SyneTuneArm(spec, steps, process, Repeats(spec.trial_seed))


def _domain(distribution: BaseDistribution) -> list[Any]:
    match distribution:
        case CategoricalDistribution():
            return ["choice", list(distribution.choices)]
        case FloatDistribution():
            return ["float", distribution.low, distribution.high, distribution.log]
        case IntDistribution():
            return ["int", distribution.low, distribution.high, distribution.log]
        case _:
            raise ValueError(f"expected a number or a choice, got {distribution}")
