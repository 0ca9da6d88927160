"""Texts that are the same to a reader, compared as strings."""

import re

_NO_WORD = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """A text without regard to letter case and spacing."""
    return " ".join(text.split()).casefold()


def bare(text: str) -> str:
    """A text without regard to letter case, spacing and punctuation; one without letters and digits
    keeps its signs.
    """
    return _NO_WORD.sub(" ", text.casefold()).strip() or plain(text)
