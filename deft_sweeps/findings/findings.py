"""Everything that follows from a sweep's results, computed once and when it is first asked for."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from deft_sweeps.findings.baseline import Baselines, baselines_among
from deft_sweeps.findings.certificate import Certificate, walk
from deft_sweeps.findings.choice import Choice, axes_of, choose_from, ranked_by
from deft_sweeps.findings.confirmation import Confirmation, confirm
from deft_sweeps.findings.equal_density import EqualDensityGain, equal_density_gains
from deft_sweeps.findings.front_history import history_of_points
from deft_sweeps.findings.front_member import (
    FrontMember,
    candidates,
    pooled,
    seed_spread_of,
)
from deft_sweeps.findings.limit_check import awaiting_costs, awaits_cost, rests_on_proxy
from deft_sweeps.findings.limit_price import LimitPrice, limit_prices
from deft_sweeps.findings.measured_cost import with_measured_costs, with_structure_costs
from deft_sweeps.findings.membership import Membership, membership_of
from deft_sweeps.findings.pareto_front import ParetoFront, counts_saturation, front_of
from deft_sweeps.findings.simultaneous_bounds import certificate_for
from deft_sweeps.findings.verdict import Verdict, too_few, verdict_of
from deft_sweeps.objective import Constraint, Policy
from deft_sweeps.result import FinalMeasurement, TrialResult
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.statistics.plateau import FrontHistory, GainProjection, project
from deft_sweeps.statistics.seed_spread import SeedSpread
from deft_sweeps.store.cost_record import CostRecord
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.sweep_dir import SweepDir


class Findings:
    """What a sweep found.

    Command line, report, session and notebooks all read it. Nothing in it is stored.

    Args:
        results: of any status, in the order in which the trials finished.
        objectives: names of metrics.
        limits: of the sweep.
        policy: of the sweep; None takes the knee.
        finals: measurements on the test split.
        certificate: how far its chain of candidates was walked; None without one.
        later_finals: measurements on the test split of a later policy's choice.
    """

    def __init__(
        self,
        results: Iterable[TrialResult],
        objectives: Sequence[str],
        limits: Sequence[Constraint] = (),
        policy: Policy | None = None,
        finals: Iterable[FinalMeasurement] = (),
        certificate: Certificate | None = None,
        later_finals: Iterable[FinalMeasurement] = (),
    ) -> None:
        self.results = tuple(results)
        self.objectives = tuple(objectives)
        self.limits = tuple(limits)
        self.policy = policy or Policy()
        self.final_sets = (tuple(later_finals), tuple(finals))
        self.certificate = certificate
        self._choices: dict[Policy, Choice] = {}
        self._certificates: dict[tuple[Constraint, ...], Certificate] = {}

    @staticmethod
    def of(
        spec: SweepSpec,
        results: Iterable[TrialResult],
        finals: Iterable[FinalMeasurement] = (),
        certificate: Certificate | None = None,
        later_finals: Iterable[FinalMeasurement] = (),
    ) -> "Findings":
        """The findings of a sweep's results."""
        return Findings(
            results, spec.objectives, spec.limits, spec.choose, finals, certificate, later_finals
        )

    @staticmethod
    def read(spec: SweepSpec, sweep: SweepDir) -> "Findings":
        """The findings of a sweep's folder.

        Raises:
            StoreError: a file of the folder cannot be read.
        """
        record = SelectionRecord(sweep.root)
        chain = record.chain()
        results = with_measured_costs(sweep.results(), CostRecord(sweep.root).costs(), spec.deploy)
        measurements = with_structure_costs(record.measurements(), results)
        certificate = None if chain is None else walk(chain, measurements)
        later_finals = sweep.final_record(str(spec.choose)).measurements()
        return Findings.of(spec, results, sweep.finals(), certificate, later_finals)

    @cached_property
    def points(self) -> tuple[FrontMember, ...]:
        """Every measured point of every complete trial."""
        return candidates(self.results)

    @cached_property
    def pool(self) -> tuple[FrontMember, ...]:
        """The points that have every objective, pooled over seeds."""
        return self._pool(self.objectives)

    @cached_property
    def baselines(self) -> Baselines:
        """What limits compare with: the best mean over seeds without a threshold."""
        return baselines_among(self.points, self.policy.limits_with(self.limits))

    @cached_property
    def front(self) -> ParetoFront:
        """The points that keep every limit and that no other such point dominates."""
        return front_of(self.pool, self.objectives, self.limits, self.baselines)

    @cached_property
    def membership(self) -> Membership:
        """The probability that each member of the front belongs there."""
        return membership_of(self.pool, self.front, self.limits, self.baselines)

    @cached_property
    def equal_density_gains(self) -> tuple[EqualDensityGain, ...]:
        """What the density loss buys beside plain twins at equal density."""
        return tuple(equal_density_gains(self.results))

    @cached_property
    def seed_spread(self) -> SeedSpread | None:
        """How far the seed alone moves a score; None if this sweep does not tell."""
        return seed_spread_of(self.pool)

    @cached_property
    def history(self) -> FrontHistory:
        """What the front grew from, trial by trial."""
        return history_of_points(
            self.results, self.points, self.objectives, self.limits, self.baselines
        )

    @cached_property
    def projection(self) -> GainProjection | None:
        """What half as many more trials would be expected to bring; None if too few tell of it."""
        return project(self.history)

    @property
    def choice(self) -> Choice:
        """What the sweep's own policy chooses."""
        return self.choice_by(self.policy)

    def choice_by(self, policy: Policy) -> Choice:
        """What a policy chooses."""
        if policy not in self._choices:
            self._choices[policy] = self._choose(policy)
        return self._choices[policy]

    def certificate_for(self, limits: tuple[Constraint, ...]) -> Certificate | None:
        """What the selection split says of some limits; None if the sweep has no chain."""
        if self.certificate is None:
            return None
        if limits not in self._certificates:
            self._certificates[limits] = certificate_for(self.certificate, limits)
        return self._certificates[limits]

    @cached_property
    def confirmation(self) -> Confirmation:
        """What the test split says of the limits of the sweep's own choice."""
        certificate, member = self.certificate_for(self.choice.limits), self.choice.member
        step = None if certificate is None or member is None else certificate.step_of(member)
        return confirm(self.choice, self.finals, certified=step is not None)

    @cached_property
    def verdict(self) -> Verdict:
        """What the sweep's own choice is worth."""
        return verdict_of(self.choice, self.certificate_for(self.choice.limits), self.confirmation)

    @cached_property
    def limit_prices(self) -> tuple[LimitPrice, ...]:
        """What moving a limit of the sweep's own choice would buy."""
        return limit_prices(self.choice, self.certificate)

    @cached_property
    def finals(self) -> tuple[FinalMeasurement, ...]:
        """The test measurements of the choice; none if those that there are, are of another."""
        return next(filter(self._are_of_choice, self.final_sets), ())

    @property
    def runtime(self) -> str:
        """The runtime in which candidates and choice were measured; empty is the trial itself."""
        if self.finals:
            return self.finals[0].runtime
        return "" if self.certificate is None else self.certificate.chain.runtime

    @property
    def every_final(self) -> tuple[FinalMeasurement, ...]:
        """The test measurements of the choice, otherwise those of the sweep's own earlier one."""
        return self.finals or self.final_sets[-1]

    def _are_of_choice(self, finals: tuple[FinalMeasurement, ...]) -> bool:
        first = next((final for final in finals if final.role == "chosen"), None)
        member = self.choice.member
        if first is None or member is None:
            return False
        return (first.trial_id, first.point.at) == (member.result.trial_id, member.point.at)

    def pool_for(self, policy: Policy) -> tuple[FrontMember, ...]:
        """The points that a policy chooses from: the pool, with the policy's metric measured."""
        axes = axes_of(self.objectives, policy)
        return self.pool if axes == self.objectives else self._pool(axes)

    def _choose(self, policy: Policy) -> Choice:
        axes, pool = axes_of(self.objectives, policy), self.pool_for(policy)
        limits = policy.limits_with(self.limits)
        certified = self._certified(pool, limits)
        baselines = self.baselines
        if policy is not self.policy:
            baselines = baselines_among(self.points, limits)
        if certified is None or self.certificate is None:
            eligible = self._eligible(pool, axes, limits, policy)
        else:
            eligible = front_of(certified, axes, with_saturated=True)
            # A better baseline that came later is not the one that the limits were tested beside.
            baselines = {**baselines, **self.certificate.baselines_among(self.points)}
        return choose_from(
            pool=pool,
            eligible=eligible.members,
            front=self.front,
            baselines=baselines,
            policy=policy,
            limits=limits,
            n_points=sum(member.n_seeds for member in pool),
            awaiting=(
                {}
                if certified is not None
                else awaiting_costs(pool, limits, baselines, ranked_by(policy))
            ),
            needs_certificate=certified is not None,
        )

    def _eligible(
        self,
        pool: Sequence[FrontMember],
        axes: Sequence[str],
        limits: Sequence[Constraint],
        policy: Policy,
    ) -> ParetoFront:
        """The points to choose from.

        Those that only a proxy would judge are left out. Those that the policy would take for zeros
        that are float saturation are there only if nothing else keeps the limits: the baseline
        itself, most often.
        """
        ranked = ranked_by(policy)
        pool = [
            m
            for m in pool
            if not any(awaits_cost(m, limit, self.baselines) for limit in limits)
            and not any(rests_on_proxy(m, metric) for metric in ranked)
        ]
        compared = ranked or self.objectives
        counting = [m for m in pool if not counts_saturation(m, compared)]
        front = front_of(counting, axes, limits, self.baselines, with_saturated=True)
        if front.members:
            return front
        return front_of(pool, axes, limits, self.baselines, with_saturated=True)

    def _certified(
        self, pool: Sequence[FrontMember], limits: tuple[Constraint, ...]
    ) -> list[FrontMember] | None:
        """The members to choose among; None if the selection split has no say in it: it was not
        read to the end, is too small for the limits, or certifies nothing by simultaneous bounds.
        """
        certificate = self.certificate_for(limits)
        if certificate is None or not limits:
            return None
        if certificate.n_finalists:
            return certificate.weights_of(pool) or None
        if certificate.missing is not None or too_few(certificate.chain, limits):
            return None
        return certificate.weights_of(pool)

    def _pool(self, axes: Sequence[str]) -> tuple[FrontMember, ...]:
        complete = (point for point in self.points if all(axis in point.values for axis in axes))
        return pooled(complete)


def choose(
    results: Iterable[TrialResult],
    objectives: Sequence[str],
    limits: Sequence[Constraint] = (),
    policy: Policy | None = None,
) -> Choice:
    """Apply a policy to everything measured.

    Args:
        results: of any status.
        objectives: names of metrics.
        limits: of the sweep; the policy's own come on top.
        policy: None takes the knee.
    """
    return Findings(results, objectives, limits, policy).choice
