"""Text without the secrets that addresses and libraries' messages carry."""

import re

MAX_LENGTH = 300
"""Characters of a reason: one line of a log."""

# A password may hold slashes and more `@`, and at worst a quote; a user's name holds no slash, or
# every path with an `@` would be one.
_TO_HOST = r"""(?:[^\s"'<>]*|[^\s@]*)@"""
# `sslpassword=` is one as well, `max_input_tokens: 48` is none.
_NAMED = (
    r"(?:authorization|token|password|passwd|secret(?:[_-]?(?:access[_-]?)?key)?|api[_-]?key)\b"
)
_SECRETS = (
    (
        re.compile(rf"""(?P<keep>[a-zA-Z][\w+.-]*://)[^\s/:"'<>]*(?::{_TO_HOST}|@)"""),
        r"\g<keep>***@",
    ),
    (re.compile(rf"(?<![\w/.+-])[\w.+-]+:(?!//){_TO_HOST}(?=[\w\[])"), "***@"),
    (
        re.compile(
            rf"(?P<keep>(?:{_NAMED}['\"]?\s*[:=]\W{{0,2}}|\b{_NAMED}[^\w/.]{{1,3}})(?:bearer\s+|basic\s+)?)[^\s'\",;&]+",
            re.I,
        ),
        r"\g<keep>***",
    ),
    (re.compile(r"\b(?:hf|sk|ghp|gho)[_-]\w{8,}"), "***"),
)


def without_secrets(text: str) -> str:
    """`text` with user names and passwords of addresses, also of such as lack their scheme, and the
    values of what calls itself a token or password, replaced by `***`.
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def holds_secret(text: str) -> bool:
    """Returns whether `without_secrets` would replace something in `text`."""
    return without_secrets(text) != text


def short_reason(error: BaseException) -> str:
    """The first line of what an exception says, after its kind, without secrets and at most
    MAX_LENGTH characters long.
    """
    lines = str(error).strip().splitlines()
    said = without_secrets(lines[0]) if lines else ""
    return (f"{type(error).__name__}: {said}" if said else type(error).__name__)[:MAX_LENGTH]


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
