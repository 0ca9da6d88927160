"""Whether a prompt's template has its placeholders, spelled as `tasks/tokens.fill` reads them."""

import re
from difflib import get_close_matches

_FIELDS = ("text", "text_pair")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"\s*[A-Za-z_]\w*\s*")


def template_problem(template: str, *, paired: bool) -> str:
    """What is wrong with a template; empty if nothing is.

    Args:
        template: as it is written; braces around anything but a single word are text.
        paired: whether the task has a second text.
    """
    if template == "{text}":
        return ""
    expected = "{text} where the text goes" + (
        " and {text_pair} where the second one goes" if paired else ""
    )
    given = _PLACEHOLDER.findall(template)
    wrong = [name for name in given if _WORD.fullmatch(name) and name not in _FIELDS]
    if wrong:
        names = ", ".join(f"{{{name}}}" for name in dict.fromkeys(wrong))
        return f"expected {expected}, got {names}{_meant(wrong[0], given, paired=paired)}"
    if not _is_balanced(template):
        return f"expected {expected}, and braces in pairs; got {template!r}"
    if "text" not in given:
        return f"expected a template with {expected}, got {template!r}"
    if paired and "text_pair" not in given:
        return f"expected {expected}, since text_pair is set; got {template!r}"
    if not paired and "text_pair" in given:
        return "got {text_pair}, and no text_pair is set: name its column, or take it out"
    return ""


def _meant(wrong: str, given: list[str], *, paired: bool) -> str:
    """Which placeholder was meant: the near one that is not there yet."""
    word = wrong.strip().lower()
    missing = [name for name in _FIELDS[: 1 + paired] if name not in given]
    near = get_close_matches(word, missing, n=1, cutoff=0.5) or missing
    return f" (did you mean {{{near[0]}}}?)" if near else " (take it out)"


def _is_balanced(template: str) -> bool:
    depth = 0
    for character in template:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
