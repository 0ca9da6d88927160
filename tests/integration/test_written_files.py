"""Who may read what a sweep writes: the umask decides, except for a spec that holds a secret."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import session
from tests.conftest import SharedRay
from tests.fake_finals import measured
from tests.fakes import FakeMaker, fake_spec
from tests.other_user import as_nobody, require_root

pytestmark = pytest.mark.sweeps

SECRET = b"name: fake\ntracking_uri: http://ann:hunter2@mlflow.example:5000\n"
KINDS = {
    "spec.yaml",
    "driver.json",
    "report.html",
    "study.db",
    "mlflow.db",
    "result.json",
    ".json",
    ".jsonl",
    ".safetensors",
}


@pytest.fixture(scope="module")
def sweep(shared_ray: SharedRay) -> Iterator[SweepDir]:
    """A sweep that has run under a umask that gives the group more than 0644, in an open folder."""
    shared_ray.stop()  # Its workers would have the umask that they were started under.
    folder = Path(tempfile.mkdtemp())  # Not pytest's, which others may not enter.
    before = os.umask(0o002)
    try:
        folder.chmod(0o755)
        made = SweepDir(folder / "sweep")
        made.write_spec(SECRET)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "TorchTrialStarterFactory", lambda *_, **__: FakeMaker(folder))
            patch.setattr("deft_sweeps.sweep.final.measure", measured)
            session.run(fake_spec(4), made, view=lambda _: None, say=lambda _: None)
        yield made
    finally:
        os.umask(before)
        shutil.rmtree(folder)


def test_every_file_follows_the_umask_and_a_spec_with_a_secret_is_the_owners(
    sweep: SweepDir,
) -> None:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in sweep.root.rglob("*")}
    assert {path.name for path in modes} | {path.suffix for path in modes} >= KINDS
    assert modes.pop(sweep.spec_path) == 0o600
    expected = {path: 0o775 if path.is_dir() else 0o664 for path in modes}
    assert {path: oct(mode) for path, mode in modes.items() if mode != expected[path]} == {}


def test_another_user_reads_a_result_and_not_the_secret(sweep: SweepDir) -> None:
    require_root()
    result = sweep.result_path(sweep.trial_ids()[0])
    script = f"""
    print(open({str(result)!r}).read()[:1], open({str(sweep.report_path)!r}).read()[:1])
    try:
        print(open({str(sweep.spec_path)!r}).read())
    except PermissionError:
        print("closed")
    """
    assert as_nobody("", script).splitlines() == ["{ <", "closed"]
