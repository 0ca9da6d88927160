"""What follows from a sweep's results: baselines, front, choice, membership, twins, history."""

from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.findings import Findings, choose
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.pareto_front import ParetoFront, pareto_front

__all__ = ["Choice", "Findings", "FrontMember", "ParetoFront", "choose", "pareto_front"]
