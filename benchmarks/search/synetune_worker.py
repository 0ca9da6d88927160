"""Serves Syne Tune's MO-ASHA over lines of JSON.

Runs with the Python of Syne Tune's environment and imports nothing of this project. The first line
is {"seed", "space": {name: ["float" | "int", low, high, log] or ["choice", [text, ...]]},
"metrics", "max_t", "eta", "mended"}. Then {"do": "ask"} is answered by {"number", "values"},
{"do": "rung", "number", "t", "losses"} by {"may_continue"}, and {"do": "end", ...} by {}.
"""

import json
import sys
from datetime import datetime
from typing import Any

import numpy as np
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import (
    NonDominatedPriority,
)
from syne_tune.optimizer.schedulers.multiobjective.non_dominated_priority import (
    compute_epsilon_net,
    nondominated_sort,
)


def domain(kind: str, *arguments: Any) -> Any:
    if kind == "choice":
        return config_space.choice(arguments[0])
    low, high, log = arguments
    makers = {
        ("float", False): config_space.uniform,
        ("float", True): config_space.loguniform,
        ("int", False): config_space.randint,
        ("int", True): config_space.lograndint,
    }
    return makers[kind, log](low, high)


class Mended(NonDominatedPriority):  # type: ignore[misc]  # Syne Tune is not installed where types are checked
    """Ranks trials as the paper says: by the place of each trial in the sorting.

    Version 0.16 returns the sorted indices instead. The last entry, which decides about the newest
    trial, is then the index of the worst trial.
    """

    def priority_unsafe(self, objectives: Any) -> Any:
        places, taken = np.empty(len(objectives)), 0
        for layer in nondominated_sort(X=objectives, dim=self.dim, flatten=False):
            members = np.sort(layer)
            places[members] = taken + compute_epsilon_net(objectives[members], dim=self.dim)
            taken += len(members)
        return places


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    np.random.seed(settings["seed"])  # What its domains draw from.
    scheduler = MOASHA(
        {name: domain(*arguments) for name, arguments in settings["space"].items()},
        metrics=settings["metrics"],
        time_attr="t",
        max_t=settings["max_t"],
        reduction_factor=settings["eta"],
        multiobjective_priority=Mended() if settings["mended"] else None,
        random_seed=settings["seed"],
    )
    trials: dict[int, Trial] = {}
    for line in sys.stdin:
        message = json.loads(line)
        if message["do"] == "ask":
            number = len(trials)
            values = scheduler.suggest().config
            trials[number] = Trial(trial_id=number, config=values, creation_time=datetime.now())
            scheduler.on_trial_add(trials[number])
            answer: dict[str, Any] = {"number": number, "values": values}
        else:
            trial = trials[message["number"]]
            result = {
                **dict(zip(settings["metrics"], message["losses"], strict=True)),
                "t": message["t"],
            }
            answer = {}
            if message["do"] == "rung":
                answer = {
                    "may_continue": scheduler.on_trial_result(trial, result)
                    == SchedulerDecision.CONTINUE
                }
                if not answer["may_continue"]:
                    scheduler.on_trial_remove(trial)
            else:
                scheduler.on_trial_complete(trial, result)
        print(json.dumps(answer, default=lambda number: number.item()), flush=True)


if __name__ == "__main__":
    main()
