"""Which phrases are parts of the same sentence. Loads no torch.

SST-2's training set has every sentence and the phrases it was cut into, in no order; its validation
set has whole sentences. A validation split that is cut off at random would be made of training
texts: 92 of 100 of its phrases stand inside one of training's.
"""

from collections.abc import Sequence

_LONGEST_KEY = 4


def sentences(texts: Sequence[str]) -> list[int]:
    """For each text, the index of a longest one that holds all of its words in a row: its own where
    none does.

    Args:
        texts: of words between spaces.
    """
    words = [text.split() for text in texts]
    of = list(range(len(texts)))
    # A run of one to four words, and the whole sentences that it occurs in; of the many for a
    # shorter one, the first will do.
    roots_by_phrase: dict[str, list[int]] = {}
    for i in sorted(of, key=lambda i: (-len(words[i]), texts[i], i)):
        if not words[i]:
            continue
        whole, key = f" {' '.join(words[i])} ", " ".join(words[i][:_LONGEST_KEY])
        root = next(
            (r for r in roots_by_phrase.get(key, ()) if whole in f" {' '.join(words[r])} "), None
        )
        if root is not None:
            of[i] = root
            continue
        for n in range(1, _LONGEST_KEY + 1):
            for begin in range(len(words[i]) - n + 1):
                roots = roots_by_phrase.setdefault(" ".join(words[i][begin : begin + n]), [])
                if n == _LONGEST_KEY or not roots:
                    roots.append(i)
    return of
