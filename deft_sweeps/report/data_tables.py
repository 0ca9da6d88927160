"""The look at a task's data in tables and warnings, from its profile alone."""

from collections.abc import Iterator

from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.result.data_profile import DataProfile, LengthProfile
from deft_sweeps.units import count

MOST_CLASSES = 20
"""Classes that have a row; the others are summed in the last one."""

SKEWED = 0.9
"""Share of the majority class from which accuracy says little."""

CUT = 0.01
"""Share of cut inputs from which it is said."""

UNKNOWN = 0.01
"""Share of unknown tokens from which it is said."""


def splits_table(profile: DataProfile) -> ReportTable:
    """Rows, repeated texts and the majority baseline of each split."""
    rows = tuple(
        Row(
            (
                name,
                f"{split.n_rows:,}",
                f"{split.n_empty:,}",
                f"{split.n_repeated:,}",
                f"{split.n_nearly_repeated:,}",
                f"{split.n_in_train:,}" if name != "train" else "",
                f"{profile.majority_shares[name]:.3f}" if profile.majority_class else "",
            )
        )
        for name, split in profile.splits.items()
    )
    columns = (
        "split",
        ">rows",
        ">without text",
        ">repeated",
        ">nearly repeated",
        ">nearly in train",
        ">majority baseline",
    )
    note = "repeated: equal except for letter case and spacing; nearly: also except for punctuation"
    if profile.majority_class:
        note += f"; majority baseline: accuracy of always answering {profile.majority_class!r}"
    return ReportTable("Data", columns, rows, note)


def short(profile: DataProfile) -> str:
    """Rows by split and the majority baseline, a line."""
    rows = ", ".join(f"{name} {split.n_rows:,}" for name, split in profile.splits.items())
    text = f"data: {rows}"
    if profile.majority_class:
        text += f"; majority baseline {profile.majority_shares['test']:.3f} on test"
    return f"{text}; `deft-sweeps data FILE` shows more"


def classes_table(profile: DataProfile) -> ReportTable:
    """Examples of each class by split; the rarest ones together."""
    names = list(profile.splits)
    counts = {name: split.class_counts for name, split in profile.splits.items()}
    classes = list(dict.fromkeys(one for name in names for one in counts[name]))
    listed, others = classes[:MOST_CLASSES], classes[MOST_CLASSES:]
    rows = [Row((one, *(f"{counts[name].get(one, 0):,}" for name in names))) for one in listed]
    if others:
        sums = (sum(counts[name].get(one, 0) for one in others) for name in names)
        rows.append(Row((f"{len(others)} more", *(f"{n:,}" for n in sums))))
    columns = ("class", *(f">{name}" for name in names))
    return ReportTable(count(len(classes), "class", "classes"), columns, tuple(rows))


def warnings(profile: DataProfile) -> tuple[str, ...]:
    """What to look at, a sentence each, with what to do."""
    return tuple(_warnings(profile))


def lengths_told(lengths: LengthProfile) -> str:
    """Tokens of the inputs, a sentence."""
    return (
        f"Inputs have {count(lengths.median, 'token')} in the median and {lengths.longest} at most,"
        f" the template's included ({count(lengths.n_sampled, 'training example')} tokenised);"
        f" max_input_tokens {lengths.max_input_tokens} cuts {lengths.cut_share:.1%} of them, and"
        f" {lengths.enough} would cut less than 1 %."
    )


def _warnings(profile: DataProfile) -> Iterator[str]:
    train = profile.splits["train"]
    if profile.majority_class and profile.majority_shares["train"] >= SKEWED:
        yield (
            f"{profile.majority_shares['train']:.0%} of train is {profile.majority_class!r}:"
            " accuracy says little; choose `metric: macro_f1` or `balanced_accuracy`"
        )
    few = [name for name, n in train.class_counts.items() if n < 10]
    if few:
        yield (
            f"{count(len(few), 'class has', 'classes have')} fewer than 10 training examples (the"
            f" rarest: {', '.join(map(repr, few[-3:]))}): merge classes, or add examples"
        )
    if profile.n_contradictory:
        yield (
            f"{count(profile.n_contradictory, 'training text has', 'training texts have')} several"
            " labels: no model can learn both; correct the labels, or leave the rows out"
        )
    for name, split in profile.splits.items():
        if split.n_in_train:
            verb = "is" if split.n_in_train == 1 else "are"
            yield (
                f"{split.n_in_train:,} of {count(split.n_rows, f'{name} example')} {verb} nearly in"
                " train: its score flatters; give rows that belong together a `group:`"
            )
    if train.n_repeated:
        repeat = count(train.n_repeated, "training example repeats", "training examples repeat")
        yield f"{repeat} a text, so the text counts several times"
    if profile.answerable_share is not None and profile.answerable_share < 1:
        yield f"{1 - profile.answerable_share:.1%} of the training questions have no answer"
    lengths = profile.lengths
    if lengths is not None and lengths.cut_share >= CUT:
        yield (
            f"max_input_tokens {lengths.max_input_tokens} cuts {lengths.cut_share:.1%} of the"
            f" inputs: {lengths.enough} cuts less than 1 %"
        )
    if lengths is not None and lengths.unknown_share >= UNKNOWN:
        yield (
            f"{lengths.unknown_share:.1%} of the tokens are unknown to the vocabulary: take a model"
            " of the data's language"
        )
