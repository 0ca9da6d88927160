"""The report: one self-contained page that answers what to ship and why, from the store alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from deft_sweeps.choice import Choice, choose
from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.config.label import label, settings
from deft_sweeps.front import FrontMember, all_gains, candidates, membership, twin_config
from deft_sweeps.objective import METRICS
from deft_sweeps.report import answer, cells, figures, provenance, tables
from deft_sweeps.report.confirmation import confirm
from deft_sweeps.report.svg import inline
from deft_sweeps.result import TrialResult
from deft_sweeps.spec.sampling import pick
from deft_sweeps.spec.schema import SweepSpec
from deft_sweeps.store.results import SweepDir
from deft_sweeps.store.secrets import without_secrets


@dataclass(frozen=True, slots=True)
class BlockPair:
    """A DEFT point and its plain twin's at the same threshold."""

    deft: FrontMember
    plain: FrontMember


def render(sweep: SweepDir, spec: SweepSpec) -> str:
    """The page as HTML text; the same results give the same text.

    Raises:
        StoreError: the sweep's folder cannot be read.
    """
    results = sweep.results()
    choice = choose(results, spec.objectives, spec.limits, spec.choose)
    every_final = sweep.finals()
    finals = answer.finals_of(choice, every_final)
    gains = all_gains(results)
    pair = block_pair(results, choice)
    growth = answer.projection_of(results, spec)
    threshold = spec.evaluation.objective_threshold
    sheets = {
        "front": tables.front_sheet(choice.front, choice, membership(results, choice.front, spec.limits)),
        "lost": tables.lost_sheet(choice),
        "steps": tables.steps_sheet(choice.front),
        "gains": tables.gains_sheet(gains),
        "trials": tables.trials_sheet(results, threshold),
        "finals": tables.finals_sheet(every_final),
        "sparsity": tables.sparsity_sheet(results),
    }
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            spec=spec,
            spec_text=without_secrets(sweep.spec_path.read_text("utf-8")) if sweep.spec_path.is_file() else "",
            summary=tables.summary(results),
            finished=_day(results),
            choice=choice,
            headline=answer.headline(choice, spec.limits, finals),
            confirmed=not confirm(choice, spec.limits, finals).broken,
            unjudged_told=answer.unjudged_told(choice, spec.limits, finals),
            chosen_settings=settings(choice.member.result.config) if choice.member else {},
            finals_differ=bool(every_final) and not finals,
            verdict=answer.verdict(finals),
            tiles=answer.tiles(choice, finals),
            scatter=_picture(figures.scatter(results, choice)),
            gains_told=answer.gains_told(gains),
            growth_told=answer.projection_told(growth),
            gain_figure=_picture(figures.gain_by_density(gains)) if any(gain.difference for gain in gains) else "",
            pair=pair,
            pair_label=label(pair.deft.result.config) if pair else "",
            pair_change=cells.change_text(pair.deft.point.density, pair.plain.point.density) if pair else "",
            blocks=_picture(figures.density_by_block(pair.deft.point.density, pair.plain.point.density)) if pair else "",
            sheets=sheets,
            exact=[(label(r.config), cells.density_text(r.exact_density)) for r in results if r.exact_density],
            method=[
                *provenance.method(results, choice, growth_projected=growth is not None),
                ("search", pick(spec).told(spec.limits)),
            ],
            provenance=provenance.provenance(results, every_final),
            points={tables.ref_of(m): point_card(m) for m in candidates(results)},
            metrics={name: METRICS[name] for name in spec.objectives},
        )
    )


def block_pair(results: Sequence[TrialResult], choice: Choice) -> BlockPair | None:
    """The chosen point and its plain twin; where either is missing, the twins whose densities are furthest apart at one threshold."""
    plain = {(m.result.config.config_id, m.point.at): m for m in candidates(results)}
    deft = [m for m in candidates(results) if isinstance(m.result.config.density, DensityLoss)]
    pairs = [BlockPair(m, plain[key]) for m in deft if (key := (twin_config(m.result.config).config_id, m.point.at)) in plain]
    chosen = choice.member.name if choice.member else ""
    return max(
        pairs,
        key=lambda p: (p.deft.name == chosen, p.plain.point.density.overall - p.deft.point.density.overall, p.deft.name),
        default=None,
    )


def point_card(member: FrontMember) -> dict[str, object]:
    """What the page shows of a point that is hovered over or focused."""
    score = member.point.score
    rows = [
        ["threshold", member.point.at],
        [score.metric, f"{cells.score_text(score)}, n = {score.n_examples}"],
        *([name, f"{value:.4f}"] for name, value in score.also.items()),
        ["density", cells.density_text(member.point.density)],
        *([["skipped MLP blocks", cells.skipped_text(member.point.density.skipped)]] if member.point.density.skipped else []),
        ["weights", cells.weights_text(member.result.cost)],
        ["latency", cells.latency_text(member.result.cost)],
        *([["energy, projected", f"{energy:.3f} of dense"]] if (energy := member.point.energy_ratio) is not None else []),
        *([name, value] for name, value in settings(member.result.config).items() if not name.startswith("task.")),
    ]
    return {"title": label(member.result.config), "trial": f"{member.result.trial_id}, seed {member.result.seed}", "rows": rows}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("deft_sweeps", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["code"] = _code
    return environment


def _picture(svg: str) -> Markup:
    return Markup(inline(svg))  # noqa: S704 - our own SVG, its text escaped by its writer


def _code(text: str) -> Markup:
    """Escaped text with `backticked` parts set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just here


def _day(results: Sequence[TrialResult]) -> str:
    last = max((result.finished_at for result in results), default=0.0)
    return datetime.fromtimestamp(last, UTC).strftime("%Y-%m-%d %H:%M UTC") if last else ""
