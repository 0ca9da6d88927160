"""A sweep's folder as a session leaves it, with trials in closed form: YAML, results, weights, the
driver's note, both mirrors, and the marks of a report.
"""

import os
import platform
import time
from pathlib import Path

from deft_sweeps.findings import Findings
from deft_sweeps.findings.front_member import trial_ids_of
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.spec_origin import write_origin
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.study_mirror import StudyMirror
from tests.fakes import fake_weights
from tests.played_search import play

YAML = """
name: searched
space:
  activation: [pretrained, relu]
  density: [none, loss]
  training: {learning_rate: {low: 1e-4, high: 1e-2, log: true}}
evaluation: {thresholds: [0.0, 0.01, 0.5]}
search: {startup: 2, seed: 3}
budget: {trials: 6}
"""


def note(state: str, n_trials: int = 6) -> DriverNote:
    """What a driver of this process and host says of itself."""
    return DriverNote(
        pid=os.getpid(),
        started_at=time.time() - 60,
        beat_at=time.time(),
        n_budget=n_trials,
        running=(),
        state=state,
        left_sec=None,
        host=platform.node(),
    )


def search(root: Path, n_trials: int = 6, yaml: str = YAML) -> tuple[SweepDir, SweepSpec]:
    """Plays a search without a mirror."""
    sweep = SweepDir(root)
    sweep.write_spec(yaml.encode())
    write_origin(sweep, str(root.resolve()))
    spec = stored_spec(sweep)
    play(StudySearcher(spec, sweep, target=n_trials), n_trials)
    (root / "weights").mkdir(exist_ok=True)
    for trial_id in sweep.trial_ids():
        sweep.weights_path(trial_id).write_bytes(fake_weights(trial_id))
    sweep.write_note(note("finished", n_trials))
    return sweep, spec


def mirror_all(sweep: SweepDir, spec: SweepSpec) -> None:
    """Brings both mirrors level and marks the front."""
    tracker = Mirror(sweep, spec.name, spec.tracking_uri)
    tracker.catch_up()
    tracker.close()
    findings = Findings.read(spec, sweep)
    chosen = findings.choice.member
    study = StudyMirror(sweep, spec)
    study.tag(trial_ids_of(findings.front.members), chosen.result.trial_id if chosen else None)
    study.close()
