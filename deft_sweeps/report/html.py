"""The report: one self-contained page that answers what to ship and why, from the store alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from deft_sweeps.config.label import label, settings
from deft_sweeps.findings import Findings
from deft_sweeps.findings.equal_density import twin_config
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.metrics import ACTIVATION_DENSITY, METRICS, SCORE
from deft_sweeps.report import (
    bought_text,
    choice_text,
    data_tables,
    density_figures,
    front_figure,
    front_tables,
    provenance,
    report_text,
    table_cells,
    trial_tables,
    verdict_text,
)
from deft_sweeps.report.point_element import ref_of
from deft_sweeps.report.report_table import ReportTable
from deft_sweeps.report.svg import inline
from deft_sweeps.report.terminal_text import printable_lines
from deft_sweeps.result import TrialResult, complete_trials
from deft_sweeps.result.data_profile import DataProfile
from deft_sweeps.specification.sampler_choice import choose_sampler
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.data_record import DataRecord
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.store.sweep_dir import SweepDir


@dataclass(frozen=True, slots=True)
class BlockPair:
    """A DEFT point and its plain twin's at the same threshold."""

    deft: FrontMember
    plain: FrontMember


def render(sweep: SweepDir, spec: SweepSpec, findings: Findings | None = None) -> str:
    """The page as HTML text; the same results give the same text.

    Args:
        sweep: its folder.
        spec: of the sweep.
        findings: of the folder; None reads it.

    Raises:
        StoreError: the sweep's folder cannot be read.
    """
    findings = findings or Findings.read(spec, sweep)
    results, choice, gains = findings.results, findings.choice, findings.equal_density_gains
    pair = block_pair(findings)
    threshold = spec.evaluation.objective_threshold
    drawn = front_figure.drawn_points(findings)
    profile = DataRecord(sweep.root).profile()
    page_tables = {
        "front": front_tables.front_table(findings.front, choice, findings.membership),
        "lost": front_tables.lost_table(choice),
        "steps": front_tables.steps_table(findings.front),
        "gains": trial_tables.equal_density_table(
            gains, findings.seed_spread, trial_tables.MOST_ROWS
        ),
        "trials": trial_tables.trials_table(results, threshold, trial_tables.MOST_ROWS),
        **_data_tables(profile),
        "certificate": verdict_text.certificate_table(findings),
        "finals": front_tables.finals_table(findings.every_final, findings.seed_spread),
        "sparsity": trial_tables.sparsity_table(results, trial_tables.MOST_ROWS),
    }
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            spec=spec,
            spec_text=without_secrets(sweep.spec_path.read_text("utf-8"))
            if sweep.spec_path.is_file()
            else "",
            summary=trial_tables.summary(results),
            finished=_day(results),
            choice=choice,
            why=choice_text.why(choice),
            caveats=choice_text.caveats(choice),
            headline=verdict_text.headline(findings),
            answered=findings.verdict.kind in ("ship", "baseline"),
            limits_told=verdict_text.limits_told(findings),
            certificate_told=verdict_text.certificate_told(findings),
            bought_told=bought_text.bought_told(findings),
            worse_told=bought_text.worse_told(findings),
            prices_told=bought_text.prices_told(findings),
            within_chance_told=verdict_text.within_chance_told(findings),
            runtime_told=verdict_text.runtime_told(findings),
            unjudged_told=verdict_text.unjudged_on_test(findings),
            chosen_settings=settings(choice.member.result.config) if choice.member else {},
            finals_differ=bool(findings.every_final) and not findings.finals,
            verdict=report_text.verdict(findings.finals),
            tiles=report_text.tiles(findings),
            scatter=_picture(front_figure.scatter(findings, drawn)),
            equal_density_told=report_text.equal_density_told(gains),
            projection_told=report_text.projection_told(findings.projection),
            gain_figure=_picture(density_figures.gain_by_density(gains))
            if any(gain.difference for gain in gains)
            else "",
            pair=pair,
            pair_label=label(pair.deft.result.config) if pair else "",
            pair_change=table_cells.change_text(pair.deft.point.density, pair.plain.point.density)
            if pair
            else "",
            blocks=_picture(
                density_figures.density_by_block(pair.deft.point.density, pair.plain.point.density)
            )
            if pair
            else "",
            tables=page_tables,
            data_told=() if profile is None else _data_told(profile),
            exact=[
                (label(r.config), table_cells.density_text(r.exact_density))
                for r in complete_trials(results)
                if r.exact_density
            ],
            method=[
                *provenance.method(
                    results, choice, growth_projected=findings.projection is not None
                ),
                ("search", choose_sampler(spec).describe(spec.search_limits, spec.later_limits)),
            ],
            provenance=provenance.provenance(results, findings.every_final),
            points={ref_of(m): point_card(m) for m in drawn},
            metrics={name: METRICS[name] for name in spec.objectives},
        )
    )


def _data_tables(profile: DataProfile | None) -> dict[str, ReportTable]:
    empty = ReportTable("", (), ())
    if profile is None:
        return {"data": empty, "classes": empty}
    classes = data_tables.classes_table(profile) if profile.kind == "classification" else empty
    return {"data": data_tables.splits_table(profile), "classes": classes}


def _data_told(profile: DataProfile) -> tuple[str, ...]:
    lengths = () if profile.lengths is None else (data_tables.lengths_told(profile.lengths),)
    return (*lengths, *data_tables.warnings(profile))


def block_pair(findings: Findings) -> BlockPair | None:
    """The chosen point and its plain twin; if either is missing, the twins whose densities are
    furthest apart at one threshold.
    """
    plain = {(m.result.config_id, m.point.at): m for m in findings.points}
    twins: dict[int, str] = {}  # By the trial's identity: making a twin's config_id is slow.
    chosen = findings.choice.member.name if findings.choice.member else ""
    best: tuple[tuple[bool, float, str], BlockPair] | None = None
    for member in findings.points:
        if member.result.config.has_density_loss:
            trial = id(member.result)
            if trial not in twins:
                twins[trial] = twin_config(member.result.config).config_id
            twin = plain.get((twins[trial], member.point.at))
            if twin is not None:
                density = ACTIVATION_DENSITY.name
                gap = twin.values[density] - member.values[density]
                key = (member.name == chosen, gap, member.name)
                if best is None or key > best[0]:
                    best = key, BlockPair(member, twin)
    return None if best is None else best[1]


def point_card(member: FrontMember) -> dict[str, object]:
    """What the page shows of a point that is hovered over or focused."""
    score, skipped = member.point.score, member.point.density.skipped
    rows = [
        ["threshold", member.point.at],
        ["score is", f"{score.metric}, n = {score.n_examples}"],
        *([head, text] for head, text in table_cells.card_rows(member)),
        *([name, SCORE.text(value)] for name, value in score.also.items()),
        *([["skipped MLP blocks", table_cells.skipped_text(skipped)]] if skipped else []),
        *(
            [name, value]
            for name, value in settings(member.result.config).items()
            if not name.startswith("task.")
        ),
    ]
    return {
        "title": label(member.result.config),
        "trial": f"{member.result.trial_id}, seed {member.result.seed}",
        "rows": rows,
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("deft_sweeps", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable_lines(value) if type(value) is str else value,
    )
    environment.filters["code"] = _code
    return environment


def _picture(svg: str) -> Markup:
    return Markup(inline(svg))  # noqa: S704 - our own SVG, its text escaped by its writer


def _code(text: str) -> Markup:
    """Escaped text with `backticked` parts set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(printable_lines(text)))))  # noqa: S704 - escaped just here


def _day(results: Sequence[TrialResult]) -> str:
    last = max((result.finished_at for result in results), default=0.0)
    return datetime.fromtimestamp(last, UTC).strftime("%Y-%m-%d %H:%M UTC") if last else ""
