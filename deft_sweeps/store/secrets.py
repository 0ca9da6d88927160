"""Text without the secrets that addresses and libraries' messages carry."""

import re

MAX_LENGTH = 300
"""Characters of a reason: one line of a log."""

# A password may hold slashes and more `@`, and at worst a quote; a user's name holds no slash, or
# every path with an `@` would be one.
_WITH_SCHEME = re.compile(r"""(?<=[\w+.-])://[^\s/:"'<>]*(?::(?:[^\s"'<>]*|[^\s@]*)@|@)""")
_WITHOUT_SCHEME = re.compile(
    r"""(?<![\w/.+-])[\w.+-]+:(?!//)(?:[^\s"'<>]*@(?=[\w\[])|\S*?@(?=[\w\[]))"""
)
_HOST_AFTER = re.compile(r"@(?=[\w\[])")
_WORD = re.compile(r"\S+")
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
    (re.compile(r"\b(?:(?:github_pat_|glpat-|xox[abprs]-)[\w-]{8,}|npm_[0-9a-zA-Z]{36})"), "***"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "***"),
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(/)|\n[ \t]*)")
"""In a double-quoted text of YAML or JSON."""


def without_secrets(text: str) -> str:
    """`text` with user names and passwords of addresses, also of such as lack their scheme, the
    values of what calls itself a token or password, and well-known tokens, replaced by `***`.

    If escapes of YAML or JSON hide one, the text comes back without these escapes. The time is
    linear in the text's length, whatever it holds.
    """
    masked = _masked(text)
    if "\\" in masked:
        plain = _ESCAPE.sub(_unescaped, masked)
        if (masked_plain := _masked(plain)) != plain:
            return masked_plain
    return masked


def _masked(text: str) -> str:
    text = _WORD.sub(_without_logins, text)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _unescaped(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2] or escape[3]
    if not digits:
        return escape[4] or ""
    code = int(digits, 16)
    return chr(code) if 0x20 <= code < 0x7F else escape[0]  # Never a terminal's own sequences.


def _without_logins(word: re.Match[str]) -> str:
    """A word without the users and passwords before an `@`.

    Each pattern sees the word up to the last `@` that it could end at. From there on every attempt
    ends in a match, so none is made twice over the same characters.
    """
    text = word[0]
    if "@" not in text:
        return text
    end = text.rindex("@") + 1
    text = _WITH_SCHEME.sub("://***@", text[:end]) + text[end:]
    hosts = [match.start() for match in _HOST_AFTER.finditer(text)]
    if not hosts:
        return text
    end = hosts[-1] + 2  # With the host's first character, which the pattern looks ahead to.
    return _WITHOUT_SCHEME.sub("***@", text[:end]) + text[end:]


def holds_secret(text: str) -> bool:
    """Returns whether `without_secrets` would replace something in `text`."""
    return without_secrets(text) != text


def short_reason(error: BaseException) -> str:
    """The first line of what an exception says, after its kind, without secrets and at most
    MAX_LENGTH characters long.

    Names of temporary files are left out: they are others each time, and a warning of the same
    trouble must be the same sentence.
    """
    lines = _COLOUR.sub("", str(error)).strip().splitlines()
    said = _TEMPORARY.sub("tmp***", without_secrets(lines[0])) if lines else ""
    return (f"{type(error).__name__}: {said}" if said else type(error).__name__)[:MAX_LENGTH]


_COLOUR = re.compile(r"\x1b\[[\d;?]*[ -/]*[@-~]")
"""An escape sequence of terminals, with which Ray colours its texts."""
_TEMPORARY = re.compile(r"(?<=/)tmp[a-z0-9_]{8}(?![\w])")
"""A name that Python's tempfile makes."""


def last_failure(log: str) -> str:
    """What a Ray Tune trial's error file says of its last failure, a line without secrets; empty
    where it says nothing.

    Of a traceback that is the line after its last frame; of a dead worker the first line after
    those that name it.
    """
    log = _COLOUR.sub("", log.rpartition("Failure # ")[2])
    lines = [line for line in log.splitlines()[1:] if line.strip()]
    frames = [i for i, line in enumerate(lines) if line.startswith("  File ")]
    after = lines[frames[-1] + 1 :] if frames else lines[1:]
    telling = next((line for line in after if not line[0].isspace()), lines[0] if lines else "")
    return without_secrets(telling.strip())[:MAX_LENGTH]
