"""Text without the secrets that addresses and libraries' messages carry."""

import re
from bisect import bisect_left
from collections.abc import Iterator

MAX_LENGTH = 300
"""Characters of a reason: one line of a log."""

# `sslpassword=` is one as well, `max_input_tokens: 48` is none.
_NAMED = (
    r"(?:authorization|token|password|passwd|secret(?:[_-]?(?:access[_-]?)?key)?|api[_-]?key)\b"
)
_SECRETS = (
    (
        re.compile(
            rf"(?P<keep>(?:{_NAMED}['\"]?\s*[:=]\W{{0,2}}|\b{_NAMED}[^\w/.]{{1,3}})(?:bearer\s+|basic\s+)?)[^\s'\",;&]+",
            re.I,
        ),
        r"\g<keep>***",
    ),
    # Tokens that say by their first letters what they are.
    (re.compile(r"\b(?:hf|sk|gh[opsur])[_-]\w{8,}"), "***"),
    (re.compile(r"\b(?:github_pat_|glpat-|npm_|xox[abprs]-)[\w-]{8,}"), "***"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "***"),
)
_USER = re.compile(r"(?<=[\w+.-])://[^\s/:\"'<>]*")
"""The user in an address with a scheme, where there is one."""
_BARE_USER = re.compile(r"(?<![\w/.+-])[\w.+-]+:(?!//)")
"""The same in an address that lacks its scheme; a user's name holds no slash, or every path with an
`@` would be an address."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(/)|\n[ \t]*)")
"""In a double-quoted text of YAML or JSON."""


def without_secrets(text: str) -> str:
    """`text` with user names and passwords of addresses, also of such as lack their scheme, the
    values of what calls itself a token or password, and well-known tokens, replaced by `***`.

    If escapes of YAML or JSON hide one, the text comes back without these escapes. The time is
    proportional to the text's length, but for a logarithm.
    """
    masked = _masked(text)
    if "\\" in masked:
        plain = _ESCAPE.sub(_unescaped, masked)
        if (masked_plain := _masked(plain)) != plain:
            return masked_plain
    return masked


def _masked(text: str) -> str:
    if "@" in text:
        text = _cut(text, _addresses(text))
        text = _cut(text, _bare_addresses(text))
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _unescaped(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2] or escape[3]
    if not digits:
        return escape[4] or ""
    code = int(digits, 16)
    return chr(code) if 0x20 <= code < 0x7F else escape[0]  # Never a terminal's own sequences.


def _cut(text: str, spans: Iterator[tuple[int, int]]) -> str:
    """`text` with `***@` in place of each span, which rise; one that begins in another is none."""
    parts, done = list[str](), 0
    for start, end in spans:
        if start >= done:
            parts += [text[done:start], "***@"]
            done = end
    return "".join((*parts, text[done:]))


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Spans of user, password and `@` after a scheme."""
    signs = _Signs(text, r"@")
    for user in _USER.finditer(text):
        start, end = user.start() + 3, user.end()
        sign = signs.after(end) if text[end : end + 1] == ":" else None
        if sign is None:
            sign = text.rfind("@", start, end)
        if sign >= 0:
            yield start, sign + 1


def _bare_addresses(text: str) -> Iterator[tuple[int, int]]:
    """The same where the scheme is lacking: a host must follow."""
    signs = _Signs(text, r"@(?=[\w\[])")
    for user in _BARE_USER.finditer(text):
        sign = signs.after(user.end())
        if sign is not None:
            yield user.start(), sign + 1


class _Signs:
    """Where passwords of a text end: each place is looked for once, and found by bisection.

    Args:
        text: to look through.
        sign: pattern of an `@` that ends one.
    """

    def __init__(self, text: str, sign: str) -> None:
        self._all = [m.start() for m in re.finditer("@", text)]
        self._ends = [m.start() for m in re.finditer(sign, text)]
        self._end_set = set(self._ends)
        self._quotes = [m.start() for m in re.finditer(r"[\s\"'<>]", text)]
        self._spaces = [m.start() for m in re.finditer(r"\s", text)]
        self._length = len(text)

    def after(self, place: int) -> int | None:
        """The `@` that ends the password at `place`: the last one before a quote or space, since a
        password may hold slashes and more `@`; else the first one before a space, since at worst it
        holds a quote.
        """
        quote = self._next(self._quotes, place)
        i = bisect_left(self._ends, quote) - 1
        if i >= 0 and self._ends[i] >= place:
            return self._ends[i]
        first = self._next(self._all, place)
        return first if first < self._next(self._spaces, place) and first in self._end_set else None

    def _next(self, places: list[int], place: int) -> int:
        i = bisect_left(places, place)
        return places[i] if i < len(places) else self._length


def holds_secret(text: str) -> bool:
    """Returns whether `without_secrets` would replace something in `text`."""
    return without_secrets(text) != text


def short_reason(error: BaseException) -> str:
    """The first line of what an exception says, after its kind, without secrets and at most
    MAX_LENGTH characters long.

    Names of temporary files are left out: they are others each time, and a warning of the same
    trouble must be the same sentence.
    """
    lines = str(error).strip().splitlines()
    said = _TEMPORARY.sub("tmp***", without_secrets(lines[0])) if lines else ""
    return (f"{type(error).__name__}: {said}" if said else type(error).__name__)[:MAX_LENGTH]


_TEMPORARY = re.compile(r"(?<=/)tmp[a-z0-9_]{8}(?![\w])")
"""A name that Python's tempfile makes."""


def last_failure(log: str) -> str:
    """What a Ray Tune trial's error file says of its last failure, a line without secrets; empty
    where it says nothing.

    Of a traceback that is the line after its last frame; of a dead worker the first line after
    those that name it.
    """
    lines = [line for line in log.rpartition("Failure # ")[2].splitlines()[1:] if line.strip()]
    frames = [i for i, line in enumerate(lines) if line.startswith("  File ")]
    after = lines[frames[-1] + 1 :] if frames else lines[1:]
    telling = next((line for line in after if not line[0].isspace()), lines[0] if lines else "")
    return without_secrets(telling.strip())[:MAX_LENGTH]
