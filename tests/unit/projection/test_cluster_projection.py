"""A sweep on machines that are only described, placed by the rule of a real cluster."""

import math
from collections.abc import Sequence
from dataclasses import replace

from deft_sweeps.config.axes import Training
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.cluster_projection import ClusterProjection, project_on
from deft_sweeps.projection.memory_fit import largest_trial
from deft_sweeps.projection.node_kind import parse_nodes
from deft_sweeps.projection.sweep_projection import START_SEC, SweepProjection, project
from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.sweep.cluster_node import ClusterNode

TEXT = """
name: a
space: {quantization: [none, nf4], peft: [{lora: {r: 8}}]}
"""


def planned(budget: str, nodes: str) -> tuple[SweepSpec, SweepProjection, ClusterProjection]:
    spec = parse_spec(f"{TEXT}budget: {budget}\n", "a.yaml")
    shape = layout(read_config(spec.combinations[0].template.model))
    projection = project(spec, shape)
    return spec, projection, project_on(spec, projection, parse_nodes(nodes), shape)


def slots(projected: ClusterProjection) -> Sequence[int]:
    return [one.n_slots for one in projected.kinds]


def test_machines_hold_what_fits_as_on_a_real_cluster() -> None:
    text = "4x(8 cpu, 64GiB), 1x(16 cpu, 2GiB), 2x(1 cpu, 64GiB)"
    spec, projection, projected = planned("{trials: 100, cpus_per_trial: 2}", text)
    needs = trial_needs(spec)
    assert needs["memory"] == projection.trials[projection.largest].memory_bytes
    kinds = parse_nodes(text)
    nodes = [ClusterNode("id", "host", "address", kind.resources) for kind in kinds]
    assert slots(projected) == [node.slots(needs) for node in nodes]
    assert slots(projected) == [4, int(2 * 2**30 / needs["memory"]), 0]
    assert projected.n_parallel == 4 * 4 + slots(projected)[1]
    assert projected.kinds[2].reason == "a trial asks for 2 cpu (it has 1 cpu)"


def test_the_time_is_that_of_full_rounds() -> None:
    _, projection, projected = planned("{trials: 10}", "2x(2 cpu, 64GiB)")
    mean = sum(one.time_sec for one in projection.trials.values()) / len(projection.trials)
    assert projected.time_sec == START_SEC + math.ceil(10 / 4) * mean
    _, _, limited = planned("{trials: 10, concurrency: 2}", "2x(2 cpu, 64GiB)")
    assert (limited.n_parallel, limited.time_sec) == (2, START_SEC + 5 * mean)


def test_what_fits_nowhere_is_named_with_its_need() -> None:
    _, projection, projected = planned("{trials: 10}", "4x(8 cpu, 1MiB), (8 cpu, 2MiB)")
    assert projected.n_parallel == 0
    assert projected.time_sec is None
    assert dict(projected.fits_nowhere) == {
        label: each.memory_bytes for label, each in projection.trials.items()
    }
    assert projected.kinds[0].reason.endswith(" of memory (it has 1.0 MiB of memory)")


def test_a_gpu_is_shared_by_trials_that_fit_into_their_share() -> None:
    budget = "{trials: 40, gpus_per_trial: 0.25}"
    _, projection, projected = planned(budget, "2x(8 cpu, 2 gpu 40GiB), (8 cpu, 1 gpu 1GiB)")
    assert slots(projected) == [8, 0]
    need = projection.trials[projection.largest].memory_bytes
    assert need > 2**28
    assert projected.kinds[1].reason.startswith("the largest trial needs ")
    assert projected.fits_nowhere == {}
    _, _, without = planned(budget, "(8 cpu)")
    assert without.kinds[0].reason == "a trial asks for 0.25 gpu (it has 0 gpu)"
    assert len(without.fits_nowhere) == 2


def test_an_unset_share_of_a_gpu_follows_from_the_projected_memory() -> None:
    spec, _, on_gpus = planned("{trials: 40}", "4x(8 cpu, 64GiB, 1 gpu 40GiB), (8 cpu, 64GiB)")
    trial = largest_trial(spec, on_gpu=True)
    assert trial is not None
    n = int(0.95 * 40 * 2**30) // trial.n_bytes
    assert n > 2
    assert on_gpus.gpu_share == 1 / n
    assert slots(on_gpus) == [min(8, n), 0]
    _, _, unknown = planned("{trials: 40}", "(8 cpu, 64GiB, 1 gpu)")
    assert (unknown.gpu_share, slots(unknown)) == (1.0, [1])
    for budget, nodes in (
        ("{trials: 40}", "(8 cpu, 64GiB)"),
        ("{trials: 40}", "(8 cpu, 64GiB, 1 gpu 1MiB)"),
        ("{trials: 40, gpus_per_trial: 0}", "(8 cpu, 64GiB, 1 gpu 40GiB)"),
    ):
        _, _, on_cpus = planned(budget, nodes)
        assert (on_cpus.gpu_share, slots(on_cpus)) == (0.0, [8])


def test_a_larger_batch_needs_a_larger_machine() -> None:
    spec, _, _ = planned("{trials: 1}", "(1 cpu)")
    needs = trial_needs(spec)["memory"]
    large = [
        replace(one, template=replace(one.template, training=Training(batch_size=256)))
        for one in spec.combinations
    ]
    assert trial_needs(replace(spec, combinations=tuple(large)))["memory"] > needs
