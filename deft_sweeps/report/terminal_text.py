"""Text that a terminal or a page may show: signs that would steer it stand there in writing.

A model's name, an error or a file's name may hold an escape sequence, which recolours a terminal,
moves its cursor or sets its clipboard, or a sign that turns the direction of writing.
"""

import json
import re

# Controls (C0 with the newline, DEL, C1), signs of direction and other invisible ones that are no
# part of a word, ends of lines that only some programs know, and halves of characters.
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""One line of text with each steering sign written out: `\x1b`, `\u202e`, `\n`."""
    return _STEERING.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """The same of text whose lines and tabs are its own."""
    return "\n".join(map(printable, text.replace("\t", "    ").split("\n")))


def printable_json(text: str) -> str:
    """The same of JSON, which stays JSON of the same value."""
    lines = text.split("\n")  # Inside strings JSON has none.
    return "\n".join(_STEERING.sub(lambda sign: json.dumps(sign[0])[1:-1], line) for line in lines)
