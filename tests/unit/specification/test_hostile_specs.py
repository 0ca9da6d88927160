"""Specs that are damaged, or made to do harm: each ends in a spec, or in problems with a line."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.objective import parse_constraint
from deft_sweeps.specification.spec_reader import load_spec, parse_spec
from deft_sweeps.specification.spec_text import MAX_BYTES
from deft_sweeps.specification.sweep_file import load_parts, parse_parts
from deft_sweeps.specification.yaml_schema import json_schema
from tests.mutated_text import mutations

SPACES = Path(__file__).parents[3] / "search_spaces"
SCHEMA = json_schema()
SMALL = "name: x\nspace: {}\nbudget: {trials: 1}\n"
MORE = """\
dtype: fp32
first: [{peft: {lora: {r: 8}}, density: loss}]
limits: [weight_bytes <= 64 MiB]
choose: best activation_density where score >= baseline(peft) - 0.02
evaluation: {thresholds: [0, 0.1], objective_threshold: 0.1}
search: {sampler: tpe, seed: 3}
stopping:
  halving: {eta: 3, rungs: 3}
"""
HUGE, BEYOND = str(2**63 - 1), str(2**63)
BOUND_SEC = 30.0
"""CPU time that no spec may take: what grows faster than its length would take minutes."""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_parts(text, "s.yaml")
    for problem in caught.value.problems:
        assert re.fullmatch(r"s\.yaml:\d+:\d+", problem.where), problem
    return [str(problem) for problem in caught.value.problems]


def file_problem(path: Path | str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_parts(path)
    (problem,) = caught.value.problems
    assert problem.where.startswith(str(path))
    return problem.what


class TestTags:
    @pytest.mark.parametrize(
        "value",
        [
            *("!!bool x", "!!bool ''", "!!int ''", "!!int +", "!!int _", "!!int x", "!!int 0x"),
            *("!!float '_'", "!!float .", "!!float x", "!!int [1]", "!!str {a: 1}", "!!seq x"),
            *("!!map x", "!!set {a}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!binary '*'"),
            *("!custom x", "!<tag:x,2000:y> x", "!!python/object:os.system x", "!!yaml x"),
        ],
    )
    def test_a_tag_with_an_impossible_value_or_that_is_unknown_is_pointed_at(
        self, value: str
    ) -> None:
        (problem,) = problems_of(f"{SMALL}model: {value}\n")
        assert problem.startswith("s.yaml:4:8: ")
        assert "tag" in problem
        assert len(problem) < 200

    def test_of_a_key(self) -> None:
        (problem,) = problems_of(f"{SMALL}!!python/name:os.system model: x\n")
        assert problem.startswith("s.yaml:4:1: the tag ")

    def test_what_only_looks_like_another_type_is_text(self) -> None:
        for text in ("2020-99-99", "=", "<<"):
            spec = parse_spec(f"{SMALL}task: {{kind: files, path: x.csv, text: {text}}}\n", "s")
            assert getattr(spec.combinations[0].template.task, "text") == text  # noqa: B009


class TestMerges:
    def test_a_merge_of_what_merges_is_read(self) -> None:
        members = "lora: &a {r: 8}, lora: &b {<<: *a, alpha: 9}, lora: {<<: *b, dropout: 0.1}"
        text = "name: x\nspace: {peft: [" + re.sub(r"(lora: \S* ?\{[^}]*\})", r"{\1}", members)
        spec = parse_spec(text + "]}\nbudget: {<<: {<<: {trials: 2}, hours: 1}}\n", "s.yaml")
        last: Any = spec.combinations[-1].template.peft
        assert (last.r, last.alpha, last.dropout) == (8, 9, 0.1)
        assert (spec.budget.trials, spec.budget.hours) == (2, 1)

    def test_own_keys_count_first_and_then_the_first_mapping(self) -> None:
        text = "name: x\nspace: {}\nbudget: {<<: [{trials: 1, hours: 2}, {hours: 3}], trials: 4}\n"
        budget = parse_spec(text, "s.yaml").budget
        assert (budget.trials, budget.hours) == (4, 2)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("budget: &b {<<: *b, trials: 1}", "never ends"),
            ("budget: {<<: 3, trials: 1}", "expected a mapping after <<"),
            ("budget: " + "{<<: " * 3000 + "{}" + "}" * 3000, "nested at most 100 deep"),
        ],
    )
    def test_merges_that_cannot_be(self, text: str, words: str) -> None:
        assert words in problems_of(f"name: x\nspace: {{}}\n{text}\n")[0]


@pytest.mark.parametrize("link", ["[{}]", "{{<<: [{}]}}"], ids=["lists", "merges"])
def test_aliases_of_aliases_are_bounded(link: str) -> None:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} " + link.format(", ".join([f"*a{i - 1}"] * 10)) for i in range(1, 12)]
    (problem,) = problems_of("\n".join(lines))
    assert "at most 20000 keys and values, aliases written out" in problem


class TestNames:
    @pytest.mark.parametrize(
        ("key", "setting"),
        [
            ("model", "model: {}"),
            ("path", "task: {{kind: files, path: {}}}"),
            ("test_path", "task: {{kind: files, path: x.csv, test_path: {}}}"),
            ("folder", "task: {{kind: glue, name: rte, folder: {}}}"),
            ("folder", "task: {{kind: squad, folder: {}}}"),
            ("warm_start", "search: {{warm_start: [{}]}}"),
        ],
    )
    def test_a_path_that_no_file_system_holds(self, key: str, setting: str) -> None:
        for name, most in (("é" * 128, "at most 255 bytes"), ("a/" * 2100, "at most 4095 bytes")):
            (problem,) = problems_of(SMALL + setting.format(name) + "\n")
            assert key in problem
            assert most in problem
            assert len(problem) < 200
        assert "U+0000" in problems_of(SMALL + setting.format('"a\\0b"') + "\n")[0]

    def test_a_sweeps_name_fits_a_folder(self) -> None:
        assert len(parse_spec(SMALL.replace("x", "x" * 255), "s").name) == 255
        (problem,) = problems_of(SMALL.replace("x", "x" * 256))
        assert "at most 255 bytes" in problem

    @pytest.mark.parametrize("where", ["model: {}", "{}: 1", "limits: [{}]", "choose: {}"])
    def test_half_a_character_is_pointed_at(self, where: str) -> None:
        (problem,) = problems_of(SMALL + where.format('"a\\ud800"') + "\n")
        assert "the character U+D800 is not allowed" in problem


def leaves(
    node: dict[str, Any], written: Callable[[str], str] = str
) -> Iterator[Callable[[str], str]]:
    """Each leaf of the schema, as a function from a value's text to a mapping that holds it."""
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    branches = node.get("anyOf", node.get("oneOf", []))
    for branch in branches:
        yield from leaves(branch, written)
    if node.get("type") == "object":
        for key, value in node.get("properties", {}).items():
            others = [f"{name}: {VALID[name]}" for name in node.get("required", ()) if name != key]

            def entry(text: str, key: str = key, others: list[str] = others) -> str:
                return written("{" + ", ".join([*others, f"{key}: {text}"]) + "}")

            yield from leaves(value, entry)
    elif node.get("type") == "array" and "items" in node:
        yield from leaves(node["items"], lambda text: written(f"[{text}]"))
    elif not branches:
        yield written


VALID = {
    "name": "x",
    "space": "{}",
    "budget": "{trials: 1}",
    "trials": "1",
    "low": "1",
    "high": "2",
    "choice": "[1]",
    "kind": "files",
    "runtime": "onnx",
}


def test_every_setting_takes_or_refuses_every_number() -> None:
    """Whatever the type of a setting, and also where it is inside a range or a choice."""
    texts = {leaf("@"): leaf for leaf in leaves(SCHEMA)}
    assert len(texts) > 400
    values = ("-1", "0", HUGE, BEYOND, f"-{BEYOND}", "1e400", ".nan", ".inf")
    accepted = dict.fromkeys(values, 0)
    wheres: list[str] = []
    for number, leaf in enumerate(texts.values()):
        # Each value at an eighth of the settings; the whole table has 4,000 rows.
        for value in values[number % 8 :: 8]:
            try:
                parse_spec(leaf(value), "s.yaml")
                accepted[value] += 1
            except ConfigError as error:
                wheres += [problem.where for problem in error.problems]
    assert all(re.fullmatch(r"s\.yaml:\d+:\d+", where) for where in wheres)
    for value in (BEYOND, f"-{BEYOND}", "1e400", ".nan", ".inf"):
        assert accepted[value] == 0, value
    assert accepted[HUGE] > 3


@pytest.mark.parametrize("value", ["100000", "1e9", HUGE, BEYOND, "-1", "0"])
def test_rungs_and_eta_are_bounded(value: str) -> None:
    for name in ("rungs", "eta"):
        (problem,) = problems_of(f"{SMALL}stopping: {{halving: {{{name}: {value}}}}}\n")
        assert problem.startswith(f"s.yaml:4:{27 + 2 * (name == 'rungs')}: expected ")


class TestSizes:
    @pytest.mark.parametrize(
        "text",
        [
            "objectives: [" + "a, " * 21_000 + "]\n",
            "".join(f"k{i}: 1\n" for i in range(21_000)),
            "k: 1\n" * 21_000,
            "a: " + "[" * 20_000,
            "a: " + "{a: " * 30_000,
            "- " * 100_000,
            "---\n" + "a: 1\n---\n" * 1_000,
            "space: {peft: [lora: {r: {choice: [" + ", ".join(map(str, range(1, 5000))) + "]}}]}\n",
        ],
        ids=["items", "keys", "repeated", "lists", "maps", "dashes", "documents", "choices"],
    )
    def test_what_is_far_too_much_is_refused_in_a_moment(self, text: str) -> None:
        began = time.process_time()
        assert "at most" in " ".join(problems_of(text))
        assert time.process_time() - began < BOUND_SEC

    def test_a_large_file_is_not_parsed(self, tmp_path: Path) -> None:
        path = tmp_path / "s.yaml"
        with path.open("wb") as file:
            file.truncate(50 * 2**20)
        assert file_problem(path) == "expected a spec of at most 256 KiB, got a larger file"
        path.write_text(SMALL + "#" * (MAX_BYTES - len(SMALL)))
        assert load_spec(path).name == "x"

    @pytest.mark.parametrize(
        "limit",
        [
            "score <= 1" + " " * 100_000 + "x",
            "score <= " + "1" * 100_000 + "!",
            "score <= baseline(peft) - " + "1" * 100_000 + "!",
            "surely" + " " * 100_000,
            "a" * 100_000,
        ],
        ids=["spaces", "digits", "offset", "surely", "word"],
    )
    def test_a_limit_is_read_in_linear_time(self, limit: str) -> None:
        began = time.process_time()
        with pytest.raises(ValueError, match=r"expected|no unit") as caught:
            parse_constraint(limit)
        assert time.process_time() - began < BOUND_SEC
        assert len(str(caught.value)) < 300


class TestFiles:
    @pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/full"])
    def test_a_device(self, path: str) -> None:
        assert "got a pipe, a socket or a device" in file_problem(path)

    def test_a_pipe_that_nobody_writes_to_and_a_folder(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "got a pipe" in file_problem(tmp_path / "pipe")
        assert "got a folder" in file_problem(tmp_path)

    def test_a_path_that_cannot_be_opened(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        assert "Too many levels of symbolic links" in file_problem(tmp_path / "loop")
        assert "File name too long" in file_problem("a" * 300)
        assert "null byte" in file_problem("a\0b")

    @pytest.mark.parametrize(
        "content",
        [
            SMALL.replace("\n", "\r\n").encode(),
            SMALL.replace("\n", "\r").encode(),
            b"\xef\xbb\xbf" + SMALL.encode(),
        ],
        ids=["CRLF", "CR", "BOM"],
    )
    def test_ends_of_lines_and_a_byte_order_mark(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "s.yaml").write_bytes(content)
        assert load_spec(tmp_path / "s.yaml") == parse_spec(SMALL, "s.yaml")

    @pytest.mark.parametrize(
        ("content", "where", "what"),
        [
            (SMALL.encode("utf-16"), ":1:1", "not UTF-8 text"),
            (b"a: 1\nb: \xff\n", ":2:1", "not UTF-8 text"),
            (bytes(range(128)), ":1:1", "U+0000 is not allowed"),
            (b"a:\n\tb: 1\n", ":2:1", "cannot start any token"),
            (b"a: 1\nc: 1\na: 2\n", ":3:1", "given in line 1"),
            (b"", ":1:1", "an empty file"),
            (b"# only a comment\n", ":1:1", "an empty file"),
            (b"%YAML 1.1\n---\na: 1\n", ":1:1", "a directive of YAML is not allowed"),
            (b"a: 1\n%YAML 1.1\n---\na: 1\n", ":2:1", "a directive of YAML is not allowed"),
        ],
    )
    def test_content_that_is_no_spec(
        self, tmp_path: Path, content: bytes, where: str, what: str
    ) -> None:
        path = tmp_path / "s.yaml"
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load_spec(path)
        assert any(p.where == f"{path}{where}" and what in p.what for p in caught.value.problems)

    @pytest.mark.parametrize("between", ["---\n", "...\n---\n", "...\n", "--- # next\n"])
    def test_each_part_has_its_own_text(self, between: str) -> None:
        parts = parse_parts(SMALL + between + SMALL.replace("x", "y"), "s.yaml")
        assert [parse_spec(part.text, "s.yaml") for part in parts] == [part.spec for part in parts]

    def test_a_part_that_begins_beside_its_marker(self) -> None:
        parts = parse_parts("".join(f"--- {{{flow(name)}}}\n" for name in "xy"), "s.yaml")
        assert [parse_spec(part.text, "s").name for part in parts] == ["x", "y"]


def flow(name: str) -> str:
    return f"name: {name}, space: {{}}, budget: {{trials: 1}}"


def mutated(tmp_path: Path, names: str, n: int) -> tuple[int, int]:
    """How many of `n` damaged specs are still specs, and how many are refused; all are either."""
    texts = [path.read_text("utf-8") for path in sorted(SPACES.glob(names))] or [
        SMALL.replace("{}", "{peft: [lora: {r: {low: 4, high: 16}}], density: [none, loss]}") + MORE
    ]
    path = tmp_path / "s.yaml"
    n_specs = n_refused = 0
    for content in mutations([*texts, SMALL, SMALL + "---\n" + SMALL.replace("x", "y")], n, 2):
        path.write_bytes(content)
        began = time.process_time()
        try:
            parts = load_parts(path)
        except ConfigError as error:
            n_refused += 1
            wheres = [problem.where.removeprefix(f"{path}:") for problem in error.problems]
            assert all(re.fullmatch(r"\d+:\d+", where) for where in wheres), (content, wheres)
        else:
            n_specs += 1
            if len(parts) > 1:
                assert all(parse_spec(part.text, "s") == part.spec for part in parts), content
        assert time.process_time() - began < BOUND_SEC, content
    return n_specs, n_refused


def test_a_damaged_spec_is_a_spec_or_problems_with_a_line(tmp_path: Path) -> None:
    n_specs, n_refused = mutated(tmp_path, "none.yaml", int(os.environ.get("MUTATIONS", "1500")))
    assert n_specs > 30
    assert n_refused > n_specs


@pytest.mark.slow
def test_five_thousand_damaged_specs(tmp_path: Path) -> None:
    assert sum(mutated(tmp_path, "*.yaml", 5000)) == 5000
