"""Specs with random damage: of bytes, lines, words and values, the same ones for the same seed."""

import random
import re
from collections.abc import Callable, Iterator, Sequence

# Values that a setting of another type, or an attacker, would have.
VALUES = (
    *("null", "true", "no", "0", "-1", "1", "1.5", "-0.0", "1e400", ".inf", "-.inf", ".nan"),
    *(str(2**31), str(2**63 - 1), str(2**63), "9" * 400, "0x" + "f" * 300, "0o17", "1_000"),
    *("''", "'~nosuchuser/x'", '"\\0"', '"\\ud800"', '"\\e[31m"', "'\u202e'", "a" * 300),
    *("'" + "a/" * 3000 + "'", "[]", "{}", "[[[]]]", "{a: {b: 1}}", "[1, x, {}]"),
    *("{low: 1, high: 3}", "{low: 3, high: 1}", "{low: 0, high: 1, log: true}", "{choice: []}"),
    *("{choice: [1, a, null]}", "!!bool x", "!!int ''", "!!float '_'", "!!null x", "!!set {a, b}"),
    *("!!binary x", "!!timestamp x", "!!python/object:os.system x", "!x y", "*nobody", "&a [*a]"),
    *("2020-01-01", "'2:4'", "1:30", "=", "<<", "{<<: x}", "{<<: {a: 1}}", "? [a]", "|", ">-"),
    *("score <= 1", "surely score >= baseline(peft) - 1 %", "best loss where loss <= 1", "knee"),
    *("none", "lora", "{lora: {r: 8}}", "halving", "{halving: {rungs: 100000}}", "packaged/x"),
)
LINES = (
    *("---", "...", "%YAML 1.1", "%TAG ! x:", "# comment", "\t", "\ta: 1", "- a", "a: 1", "? a"),
    *("--- {a: 1}", "&x", "<<: *x", "name: again", "space: {}", "\u2028", "\x0b", "\x85", "\ufeff"),
)
SIGNS = "{}[]:,&*!|>'\"%@`#?-~<=\\\n\r\t \0\x1b\x7f\x85\u2028\u202e\ufeff\U0001f600"

Mutation = Callable[[random.Random, str], str]


def mutations(texts: Sequence[str], n: int, seed: int) -> Iterator[bytes]:
    """Yields `n` damaged copies of some of `texts`, each with one to three damages."""
    draw = random.Random(seed)
    for _ in range(n):
        text = draw.choice(texts)
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            text = draw.choice(_OF_TEXT)(draw, text)
        content = text.encode("utf-8", "surrogatepass")
        yield _bytes(draw, content) if draw.random() < 0.1 else content


def _bytes(draw: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        if damaged:
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
    cut = draw.randrange(len(damaged) + 1)
    return bytes(damaged[:cut] if draw.random() < 0.3 else damaged)


def _sign(draw: random.Random, text: str) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + draw.choice(SIGNS) + text[at + draw.randint(0, 1) :]


def _line(draw: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = " " * draw.randint(0, 3) + lines[at].lstrip()
        case _:
            lines.insert(at, draw.choice(LINES) + "\n")
    return "".join(lines)


def _token(draw: random.Random, text: str) -> str:
    tokens = re.findall(r"\w+|\s+|[^\w\s]", text) or [""]
    at, other = draw.randrange(len(tokens)), draw.randrange(len(tokens))
    match draw.randrange(4):
        case 0:
            del tokens[at]
        case 1:
            tokens.insert(at, tokens[other])
        case 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        case _:
            tokens[at] = tokens[at] * draw.choice((2, 20, 200))
    return "".join(tokens)


def _value(draw: random.Random, text: str) -> str:
    """Another value after one of the colons, commas or brackets."""
    places = list(re.finditer(r"(?<=[:,\[-] )[^\s,\]}]+|(?<=[\[{])[^\s,\]}:]+", text))
    if not places:
        return draw.choice(VALUES)
    place = draw.choice(places)
    return text[: place.start()] + draw.choice(VALUES) + text[place.end() :]


_OF_TEXT: tuple[Mutation, ...] = (_sign, _line, _token, _value, _value)
