"""What a task's examples look like: counts and shares, of which a report can be made without the
data.
"""

from dataclasses import dataclass, field

PROFILE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitProfile:
    """One split.

    Attributes:
        n_rows: examples.
        class_counts: of a classification task, by class; otherwise empty.
        n_empty: examples without text.
        n_repeated: examples whose text another one of the split has too, in other letter case or
            spacing.
        n_nearly_repeated: the same if punctuation does not count either.
        n_in_train: examples, of another split than train, that are nearly equal to one of train.
    """

    n_rows: int
    class_counts: dict[str, int] = field(default_factory=dict)
    n_empty: int = 0
    n_repeated: int = 0
    n_nearly_repeated: int = 0
    n_in_train: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRange:
    """Numbers of a regression task's training examples."""

    low: float
    mean: float
    high: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthProfile:
    """Tokens of the training inputs, the template's included.

    Attributes:
        n_sampled: inputs that were tokenised, evenly spaced.
        median, longest: tokens.
        enough: the smallest `max_input_tokens` that cuts less than 1 % of them.
        cut_share: share that `max_input_tokens` cuts, in [0, 1].
        unknown_share: share of the tokens that are unknown to the vocabulary, in [0, 1].
    """

    n_sampled: int
    median: int
    longest: int
    enough: int
    max_input_tokens: int
    cut_share: float
    unknown_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfile:
    """A look at a task's data.

    Attributes:
        kind: `classification`, `regression`, `span` or `text`.
        splits: by name: train, validation, test, and selection if the task has it.
        majority_class: the most frequent class of train; empty without classes.
        majority_shares: share of it in each split: what always answering it would score.
        n_contradictory: training texts, equal but for case and spacing, that have several labels.
        label_range: of a regression task.
        answerable_share: of questions, those with an answer, in [0, 1]; None of other tasks.
        lengths: None if the contexts are read in windows, or the tokenizer cannot be read without
            loading the model's library.
        notes: how the data was read.
    """

    kind: str
    splits: dict[str, SplitProfile]
    majority_class: str = ""
    majority_shares: dict[str, float] = field(default_factory=dict)
    n_contradictory: int = 0
    label_range: LabelRange | None = None
    answerable_share: float | None = None
    lengths: LengthProfile | None = None
    notes: tuple[str, ...] = ()
    version: int = PROFILE_VERSION
