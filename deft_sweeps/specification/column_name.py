"""What a column's name says of its use, in the names that public data sets give."""

import re
from collections.abc import Sequence

TEXT_NAMES = (
    "text",
    "sentence",
    "sentence1",
    "premise",
    "question1",
    "text1",
    "review",
    "tweet",
    "content",
    "body",
    "message",
    "comment",
    "post",
    "utterance",
    "document",
    "article",
    "abstract",
    "description",
    "input",
    "source",
    "question",
    "query",
    "claim",
)
PAIRS = (
    ("sentence1", "sentence2"),
    ("sentencea", "sentenceb"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("texta", "textb"),
    ("text", "textpair"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "passage"),
    ("query", "document"),
    ("claim", "evidence"),
    ("context", "response"),
)
"""Names of two texts that go together, without spaces and signs."""
SECOND_NAMES = (
    "sentence2",
    "hypothesis",
    "question2",
    "reply",
    "response",
    "text2",
    "textb",
    "textpair",
    "passage",
    "evidence",
    "sentenceb",
    "paragraph",
)
LABEL_NAMES = (
    "label",
    "labels",
    "gold_label",
    "intent",
    "class",
    "category",
    "target",
    "sentiment",
    "y",
    "topic",
    "emotion",
    "stance",
    "polarity",
    "tag",
    "genre",
    "is_duplicate",
    "entailment",
    "relation",
    "similarity",
    "rating",
    "score",
    "stars",
    "answer",
    "output",
)
TARGET_NAMES = (
    "target",
    "summary",
    "highlights",
    "output",
    "response",
    "completion",
    "answer",
    "translation",
    "headline",
    "reference",
    "correction",
    "reply",
)
QUESTION_NAMES = ("question", "query")
CONTEXT_NAMES = ("context", "passage", "paragraph", "document", "article")
ANSWER_NAMES = ("answers", "answer")
GROUP_NAMES = (
    "customer",
    "user",
    "author",
    "movie",
    "film",
    "patient",
    "speaker",
    "account",
    "product",
    "company",
    "writer",
    "conversation",
    "dialogue",
    "thread",
    "session",
    "book",
    "article",
    "document",
    "subject",
    "client",
    "reviewer",
    "student",
)
_ID_NAMES = {"", "id", "ids", "idx", "index", "guid", "uuid", "key", "pk", "rowid", "unnamed0"}
_ID_ENDS = {"id", "idx", "index", "guid", "uuid", "qid", "uid", "pid", "tid"}
_NO_LABEL = {"split", "fold", "lang", "language", "date", "time", "year", "url", "timestamp"}


def plain(column: str) -> str:
    """The name in lower case without spaces and signs: `Sentence_1` is `sentence1`."""
    return "".join(filter(str.isalnum, column.lower()))


def words(column: str) -> list[str]:
    """The words of a name: `movieName` and `movie_name` have two."""
    return re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower())


def rank(column: str, names: Sequence[str]) -> int:
    """How well the name fits: the index of the name that it is, behind all of those the index of
    one that it contains as a word, and behind that 2 * len(names).
    """
    whole = [i for i, name in enumerate(names) if plain(name) == plain(column)]
    if whole:
        return whole[0]
    parts = [len(names) + i for i, name in enumerate(names) if name in words(column)]
    return parts[0] if parts else 2 * len(names)


def is_named(column: str, names: Sequence[str]) -> bool:
    """Whether the name is one of these, or contains one as a word."""
    return rank(column, names) < 2 * len(names)


def is_id(column: str) -> bool:
    """Whether the name says that the values number or name the rows."""
    letters = [word for word in words(column) if word.isalpha()]
    return plain(column) in _ID_NAMES or any(word in _ID_ENDS for word in letters[-1:])


def is_group(column: str) -> bool:
    """Whether the name says that rows of one value belong together."""
    return plain(column) not in _ID_NAMES and any(word in GROUP_NAMES for word in words(column))


def is_no_label(column: str) -> bool:
    """Whether the name says that the values are about the row, and no answer."""
    return is_id(column) or is_group(column) or any(word in _NO_LABEL for word in words(column))
