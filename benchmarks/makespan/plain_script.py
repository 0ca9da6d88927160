"""A plain Ray Tune script: LoRA with and without the density loss, on a full-precision or NF4 base.

It is written as an experienced user of Ray Tune, transformers and peft would write it, and knows
nothing of this project. Its settings come as JSON; see `main`.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback


def train(config: dict[str, Any]) -> None:
    """One trial, in a worker; torch is imported there, not in the driver."""
    began = time.time()
    from benchmarks.makespan.plain_trial import run_trial

    outcome = run_trial(config["trial"], config["model"], config["data"], tune.report)
    tune.report({**outcome, "began": began, "ended": time.time()})


def main() -> None:
    """Trains every configuration of the settings' file that the first argument names, and writes
    what each came to into `outcomes.json`.
    """
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(settings["folder"])
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=os.environ["SCRIPT_RAY_FOLDER"],
    )
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={
            "model": settings["model"],
            "data": settings["data"],
            "trial": tune.grid_search(settings["trials"]),
        },
        tune_config=tune.TuneConfig(
            max_concurrent_trials=settings["at_once"],
            reuse_actors=settings["reuse_actors"],
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="script",
            storage_path=str(folder),
            verbose=0,
            callbacks=[
                MLflowLoggerCallback(
                    tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="script"
                )
            ],
        ),
    )
    outcomes = outcomes_of(tuner.fit())
    (folder / "outcomes.json").write_text(json.dumps(outcomes), encoding="utf-8")
    ray.shutdown()


def outcomes_of(results: tune.ResultGrid) -> list[dict[str, Any]]:
    """What each configuration came to."""
    if results.num_errors:
        raise SystemExit(f"{results.num_errors} trials failed: {results.errors[0]}")
    return [
        {
            "name": result.config["trial"]["name"],
            **{key: result.metrics[key] for key in ("losses", "points", "began", "ended")},
        }
        for result in results
    ]


if __name__ == "__main__":
    main()
