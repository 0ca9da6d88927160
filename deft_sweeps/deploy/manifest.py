"""What a bundle says of itself: `deployment.yaml`, as frozen dataclasses. Loads no torch."""

from dataclasses import dataclass, field
from typing import Literal

from deft_sweeps.config.axes import check
from deft_sweeps.config.data import Form, TaskKind
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.outcomes import NO_SCORES, ExampleScores
from deft_sweeps.result import SkippedBlocks
from deft_sweeps.result.measured_point import NO_BLOCKS
from deft_sweeps.statistics.call_time import CallTimes

MANIFEST_VERSION = 1

WEIGHTS_NAME, BASE_NAME, TOKENIZER_NAME = "weights.safetensors", "base", "tokenizer"
"""In a bundle: what the trial trained; the base, if it was copied; the tokenizer."""

MERGED, ADAPTER = "merged", "adapter"
"""Forms of the trained weights in a bundle: a whole model of transformers, or what was trained
beside a base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """The pretrained model.

    Attributes:
        name: hub id, `packaged/...`, or the folder as the sweep named it.
        revision: the hub's commit, or a hash of the files.
        folder: in the bundle, where its files were copied to; empty where the name is enough.
        license: as its config or card says; empty if they say none.
    """

    name: str
    revision: str
    folder: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedWeights:
    """Which trained weights these are, and at which threshold they are to run.

    Attributes:
        trial_id: of the sweep.
        config: every setting of the trial, paths as they were written.
        threshold: of the gate: entries with |O| <= threshold are set to zero.
        percentile: the share that the blocks' own thresholds zero; None for one threshold.
        block_thresholds: those, in running order; empty for one threshold.
        removed: MLP blocks that were removed.
    """

    trial_id: str
    seed: int
    config: TrialConfig
    threshold: float
    percentile: float | None = None
    block_thresholds: tuple[float, ...] = ()
    removed: SkippedBlocks = NO_BLOCKS

    @property
    def gate_thresholds(self) -> tuple[float, ...]:
        """One number for all gates, or one each."""
        return self.block_thresholds or (self.threshold,)

    @property
    def is_thresholded(self) -> bool:
        """Whether any entry but an exact zero is dropped."""
        return any(value > 0 for value in self.gate_thresholds)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContract:
    """How a text becomes the model's input, and its output an answer.

    Attributes:
        prompt: template of the input of a model that writes, with `{text}` and `{text_pair}`.
        classes: of a classification task, in the order of their indices.
        class_ids: token ids of each class's target text; empty for a head.
        takes_pairs: whether an input is two texts: a pair, or a question and its context.
        may_be_none: whether a question may have no answer.
        max_new_tokens: after which a written text is cut.
        middle: number that a text counts as that writes none: the mean of the training targets.
        metrics: names, the score first.
    """

    kind: TaskKind
    form: Form
    prompt: str
    classes: tuple[str, ...] = ()
    class_ids: tuple[tuple[int, ...], ...] = ()
    takes_pairs: bool = False
    may_be_none: bool = False
    max_new_tokens: int = 0
    middle: float = 0.0
    metrics: tuple[str, ...]

    @property
    def n_outputs(self) -> int:
        """Of the head; 0 where the model writes its answer."""
        if self.form == "text-to-text":
            return 0
        return {"classification": len(self.classes), "regression": 1, "span": 2}.get(self.kind, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured or projected number.

    Attributes:
        name: of a metric.
        value: in the metric's unit.
        label: measured alone, projected, or a proxy taken beside other trials.
        where: which examples or process it is of.
        standard_error: of a score; None of what has none.
    """

    name: str
    value: float
    label: Literal["measured", "projected", "proxy"]
    where: str
    standard_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sweep said of this configuration.

    Attributes:
        verdict: the first line, such as `SHIP: ...`.
        policy: that chose it; empty for a trial that was named by hand.
        lines: each limit with its test, in words.
        certified: whether it has a certificate. It belongs to the computation in `runtime`; each
            artefact says how far it differs from the trial.
        runtime: that was scored and certified; empty is the trial's own computation.
        alpha: of the certificate; None without one.
    """

    verdict: str
    policy: str = ""
    lines: tuple[str, ...] = ()
    certified: bool = False
    alpha: float | None = None
    runtime: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One exported format.

    Attributes:
        target: its name; also of its folder in the bundle.
        form: MERGED or ADAPTER for `hf`; empty for other targets.
        file_bytes: of all its files.
        differences: what it computes otherwise than the trial at its threshold; empty if nothing.
    """

    target: str
    form: str = ""
    file_bytes: int
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReading:
    """How far a runtime's scores are from those of torch with the same weights and threshold.

    Attributes:
        largest: absolute difference of any log-probability or logit.
        mean: of those differences.
        changed: share of examples whose prediction differs, in [0, 1].
        reasons: what is beyond its tolerance, each a sentence; empty if the runtime passes.
    """

    largest: float
    mean: float
    changed: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeReading:
    """One runtime, measured alone in a fresh process on test examples.

    Attributes:
        runtime: its name.
        threshold: that it ran at; 0 of one that has no threshold.
        metric, score, standard_error, n_examples: the task's metric on the examples.
        difference, low, high: score minus the trial's own on the same examples, with the 95 %
            interval; None where the trial was not measured on them.
        drift: beside torch at the same threshold.
        file_bytes: of what the runtime opens.
        resident_bytes: of the process after the first request, libraries included.
        peak_bytes: the most of it while it opened the model and answered.
        load_sec: from the start of the process to the first answer.
        one, eight: wall times of a request with one text and with eight, in seconds, tokenising
            included.
        per_token: the same of a written token; None where nothing is written.
        examples_per_sec: over all examples, in batches of `batch_size`.
        n_threads: that it used.
        machine: processor and system.
    """

    runtime: str
    threshold: float
    metric: str
    score: float
    standard_error: float
    n_examples: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    drift: DriftReading
    file_bytes: int
    resident_bytes: int
    peak_bytes: int
    load_sec: float
    one: CallTimes
    eight: CallTimes
    per_token: CallTimes | None = None
    examples_per_sec: float
    batch_size: int
    n_threads: int
    machine: str

    @property
    def drifts(self) -> bool:
        """Whether it computes other scores than it should."""
        return bool(self.drift.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that is to be known of a bundle.

    Attributes:
        name: of the sweep.
        splits: fingerprint of the data, and the number of examples of each split.
        data_note: how the examples were read, where that is not as a file's name says.
        data_folder: that relative paths in the trial's configuration start from, on the machine
            that exported.
        test_scores: of each test example, as the trial itself was measured at this threshold,
            packed as `outcomes.ExampleScores`; empty if it was not.
        unavailable: why a format was not written, by its name.
        runtimes: as `deft-sweeps bench` measured them; empty before.
        versions: of Python and of the packages that exported.
        files: SHA-256 of every file but the manifest, by its path in the bundle.
    """

    name: str
    created: str
    base: BaseModel
    training: TrainedWeights
    task: TaskContract
    fingerprint: str
    splits: dict[str, int]
    data_note: str = ""
    data_folder: str = ""
    answer: Answer
    figures: tuple[Figure, ...] = ()
    test_scores: ExampleScores = NO_SCORES
    artifacts: tuple[Artifact, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)
    runtimes: tuple[RuntimeReading, ...] = ()
    versions: dict[str, str]
    files: dict[str, str]
    schema_version: int = MANIFEST_VERSION

    def __post_init__(self) -> None:
        check(
            self.schema_version == MANIFEST_VERSION,
            f"schema_version {MANIFEST_VERSION}",
            self.schema_version,
        )

    @property
    def is_merged(self) -> bool:
        """Whether `hf` holds the whole model, so that torch needs no base."""
        hf = self.artifact("hf")
        return hf is not None and hf.form == MERGED

    def parts_of(self, needs: str) -> frozenset[str]:
        """The top folders and files that a runtime opens.

        Args:
            needs: the exported format that it computes; empty for torch.
        """
        own = {"hf"} if self.is_merged else {WEIGHTS_NAME, BASE_NAME}
        return frozenset({TOKENIZER_NAME, *({needs} if needs else own)})

    def artifact(self, target: str) -> Artifact | None:
        """The exported format of that name; None if the bundle has none."""
        return next((one for one in self.artifacts if one.target == target), None)

    def reading(self, runtime: str) -> RuntimeReading | None:
        """What was measured of a runtime; None if it was not."""
        return next((one for one in self.runtimes if one.runtime == runtime), None)
