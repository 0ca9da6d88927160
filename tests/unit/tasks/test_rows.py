"""Random tables through every kind of file, damaged files, and how delimited files are read."""

import csv
import gzip
import json
import random
import string
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.errors import DataError
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.check import examine
from deft_sweeps.tasks.data_source import source_files
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.files import read_file
from deft_sweeps.tasks.rows import columns_of, open_rows, read_rows
from deft_sweeps.tasks.task_data import load_task

Table = list[dict[str, str]]
COLUMNS = ("text", "label", "who")
TASK = FileTask(path="-", group="who")
SMALL = Splits(validation=4, test=4)


def as_csv(table: Table, path: Path, delimiter: str = ",", **settings: str) -> None:
    """With the standard library's writer."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=delimiter, **settings)  # type: ignore[arg-type]
        writer.writeheader()
        writer.writerows(table)


def as_tsv(table: Table, path: Path) -> None:
    """Tabs between the fields."""
    as_csv(table, path, "\t")


def as_jsonl(table: Table, path: Path) -> None:
    """An object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in table))


def as_json(table: Table, path: Path) -> None:
    """One array."""
    path.write_text(json.dumps(table, ensure_ascii=False, indent=1), encoding="utf-8")


def as_parquet(table: Table, path: Path) -> None:
    """Columns of texts."""
    parquet.write_table(pa.Table.from_pylist(table), path)


WRITERS: dict[str, Callable[[Table, Path], None]] = {
    "csv": as_csv,
    "tsv": as_tsv,
    "jsonl": as_jsonl,
    "json": as_json,
    "parquet": as_parquet,
}

# Every character that some kind of file gives a meaning to, and all that Unicode has.
special = st.sampled_from(
    [*list("\",;\t|\n\r'[]{}\\ =\x00"), "\r\n", '""', '",', "\u2028", "é", "好"]
)
texts = st.lists(st.one_of(special, st.characters(codec="utf-8"), special), max_size=12)
tables = st.lists(
    st.tuples(texts.map("".join), st.sampled_from(["good", "bad"]), st.sampled_from("αβγ")),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=tables)
def test_a_table_reads_alike_from_every_kind_of_file(
    rows: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    table = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    expected = [Example(text, label, who) for text, label, who in rows]
    for ending, write in WRITERS.items():
        path = tmp_path / f"data.{ending}"
        write(table, path)
        assert read_file(path, TASK).examples == expected, ending
        if ending != "parquet":
            packed = tmp_path / f"packed.{ending}"
            packed.write_bytes(gzip.compress(path.read_bytes()))
            assert read_file(packed, TASK).examples == expected, ending
        assert columns_of(path) == list(COLUMNS)


def small_table() -> Table:
    """Texts with and without quotes, some over two lines."""
    words = ('said "no", twice', "a plain one", "two\nlines, here", "naïve")
    return [
        {"text": f"{words[i % 4]} {i}", "label": ("good", "bad")[i % 2], "who": str(i % 5)}
        for i in range(24)
    ]


def naive_count(ending: str, raw: bytes) -> int:
    """Rows that somebody sees who looks at the file, its layout taken for what it was."""
    text = raw.decode("utf-8", errors="replace")
    if ending in ("csv", "tsv"):
        return text.count("good") + text.count("bad")
    return text.count('"label"')


@pytest.mark.parametrize("ending", WRITERS)
def test_a_damaged_file_gives_rows_or_a_refusal(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{ending}"
    WRITERS[ending](small_table(), path)
    whole = path.read_bytes()
    draw = random.Random(7)
    n_read = 0
    for _ in range(2_000 if ending != "parquet" else 500):
        raw = bytearray(whole)
        for _ in range(draw.choice((1, 1, 2))):
            place = draw.randrange(len(raw))
            change = draw.random()
            if change < 0.5:
                raw[place] = draw.randrange(256)
            elif change < 0.75:
                raw[place:place] = draw.choice(
                    (b'"', b",", b"\t", b"\n", b"\r", b"\xff", b"{", b"[")
                )
            elif change < 0.95:
                del raw[place : place + draw.randrange(1, 4)]
            else:
                del raw[place:]
        path.write_bytes(raw)
        try:
            reading = read_file(path, TASK)
        except DataError:
            continue
        n_read += 1
        if ending != "parquet":
            least = min(naive_count(ending, bytes(raw)), 24)
            assert len(reading.examples) >= least or reading.notes, bytes(raw)
    assert n_read


class TestDelimited:
    def rows(self, folder: Path, text: str, name: str = "data.csv") -> list[list[str]]:
        """Text and label of a file with this content."""
        path = folder / name
        path.write_bytes(text.encode())
        return list(read_rows(path, ["text", "label"]))

    @pytest.mark.parametrize(
        ("text", "name", "note"),
        [
            ("text,label\na; b,x\n", "a.csv", ""),
            ("text;label\na, b;x\n", "a.csv", "fields are separated by a semicolon"),
            ("text\tlabel\na, b\tx\n", "a.csv", "fields are separated by a tab"),
            ("text,label\na\tb,x\n", "a.tsv", "fields are separated by a comma"),
            ("text|label\na, b|x\n", "a.csv", "fields are separated by a vertical bar"),
            ("sep=;\r\ntext;label\r\na, b;x\r\n", "a.csv", "separated by a semicolon"),
            ("sep=,\ntext,label\na; b,x\n", "a.csv", "separated by a comma"),
            ("text\tlabel\na, b\tx\n", "a.tsv", ""),
        ],
    )
    def test_delimiter(self, text: str, name: str, note: str, tmp_path: Path) -> None:
        ((first, label),) = self.rows(tmp_path, text, name)
        assert (first[0], first[-1], label) == ("a", "b", "x")
        notes = open_rows(tmp_path / name).notes
        assert (note in notes[0]) if note else not notes

    def test_a_wrong_row_does_not_hide_the_delimiter(self, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match=r"csv:3: expected 2 fields, got 3; a field with a semi"
        ):
            self.rows(tmp_path, "text;label\na, b;x\na;b;x\n")

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
    def test_ends_of_lines(self, end: str, tmp_path: Path) -> None:
        assert self.rows(tmp_path, end.join(["text,label", "a,x", '"b, c",y', ""])) == [
            ["a", "x"],
            ["b, c", "y"],
        ]

    def test_a_return_inside_a_line_is_text(self, tmp_path: Path) -> None:
        assert self.rows(tmp_path, 'text,label\na\rb,x\n"c\r\nd",y\n') == [
            ["a\rb", "x"],
            ["c\r\nd", "y"],
        ]

    def test_blank_lines_are_counted(self, tmp_path: Path) -> None:
        assert len(self.rows(tmp_path, "text,label\na,x\n\n\nb,y\n\n")) == 2
        assert open_rows(tmp_path / "data.csv").notes == ("2 blank lines are left out",)

    def test_pairs_of_a_tsv_without_quoting(self, tmp_path: Path) -> None:
        rows = self.rows(tmp_path, 'text\tother\tlabel\n"a\tb"\tx\n"c"\td\ty\n', "data.tsv")
        assert rows == [['"a', "x"], ['"c"', "y"]]

    def test_a_text_of_several_lines_is_one_row(self, tmp_path: Path) -> None:
        text = 'text,label\n"Hello, friend\nbye",good\n' + "".join(
            f"word {i},{('good', 'bad')[i % 2]}\n" for i in range(8)
        )
        assert self.rows(tmp_path, text)[0] == ["Hello, friend\nbye", "good"]
        assert not open_rows(tmp_path / "data.csv").notes

    def test_swallowed_rows_beside_quoted_ones_are_refused(self, tmp_path: Path) -> None:
        lines = [f"word {i},{('good', 'bad')[i % 2]}" for i in range(30)]
        lines[4], lines[9], lines[20] = '"word 4,good', 'word 9",bad', '"with, comma",good'
        with pytest.raises(
            DataError, match=r"csv:6: a quote opens a field here, which ends 5 lines"
        ):
            self.rows(tmp_path, "\n".join(["text,label", *lines]))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                'text,label\n"a, b",x\n"c,y\n',
                r"csv:3: a quote opens a field here and is never clos",
            ),
            ('text,label\n"a, b",x\n"c\nd" e,y\n', r"csv:3: a quote .* closed in the middle of it"),
            ("text, label\na, x\n", r"csv:1: names of columns with a space at an end: ' label'"),
            ('"text", "label"\n"a", "x"\n', r"csv:1: a space stands before the quotes"),
            ("text,label,text\na,x,b\n", r"csv:1: more than one column is named 'text'"),
        ],
    )
    def test_refused_with_its_line(self, text: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=message):
            self.rows(tmp_path, text)


class TestEncoding:
    TEXT = "text,label\ncafé crème,x\nnaïve,y\n"
    ROWS = (["café crème", "x"], ["naïve", "y"])

    @pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_marks_are_read(
        self, codec: str, pack: Callable[[bytes], bytes], tmp_path: Path
    ) -> None:
        path = tmp_path / "data.csv"
        path.write_bytes(pack(self.TEXT.encode(codec)))
        assert list(read_rows(path, ["text", "label"])) == list(self.ROWS)

    @pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "latin-1", "cp1252", "utf-16"])
    def test_named(self, codec: str, tmp_path: Path) -> None:
        path = tmp_path / "data.csv"
        path.write_bytes(self.TEXT.encode(codec))
        assert list(read_rows(path, ["text", "label"], codec)) == list(self.ROWS)
        assert not open_rows(path, codec).notes

    @pytest.mark.parametrize(
        ("codec", "word", "message"),
        [
            ("latin-1", "é", r"csv:3: not UTF-8; in latin-1 the line reads 'é,y'\. If that is"),
            ("cp1252", "“é”", r"csv:3: not UTF-8; in cp1252 the line reads '“é”,y'.*: cp1252`"),
            ("utf-16-le", "é", r"UTF-16 without a byte order mark; write `encoding: utf-16-le`"),
            ("utf-16-be", "é", r"UTF-16 without a byte order mark; write `encoding: utf-16-be`"),
        ],
    )
    def test_what_fits_is_said(self, codec: str, word: str, message: str, tmp_path: Path) -> None:
        path = tmp_path / "data.csv"
        path.write_bytes(f"text,label\nb,x\n{word},y\n".encode(codec))
        with pytest.raises(DataError, match=message):
            list(read_rows(path, ["text"]))

    def test_utf8_under_another_name_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "data.csv"
        path.write_bytes(self.TEXT.encode())
        assert "though it is UTF-8 as well" in open_rows(path, "latin-1").notes[0]
        path.write_bytes(self.TEXT.encode("utf-8-sig"))
        with pytest.raises(DataError, match="mark of UTF-8, so it is not latin-1"):
            open_rows(path, "latin-1")

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (b"PK\x03\x04rest", "is no text but a zip archive"),
            (b"PAR1rest", "a name that ends in .parquet"),
            (b"BZh9", "packed by bzip2"),
            (gzip.compress(b"text,label\na,x\n", mtime=0)[:-9], "cannot be read"),
        ],
    )
    def test_no_text(self, raw: bytes, message: str, tmp_path: Path) -> None:
        path = tmp_path / "data.csv"
        path.write_bytes(raw)
        with pytest.raises(DataError, match=message):
            list(read_rows(path, ["text"]))

    @pytest.mark.parametrize("name", ["utf-7", "base64", "no such", "unicode_escape", ""])
    def test_names_that_are_no_encoding_of_files(self, name: str) -> None:
        with pytest.raises(ValueError, match="an encoding that Python reads text in"):
            FileTask(path="a.csv", encoding=name)


class TestJson:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"text": "a", "text": "b"}', "data.json:1: .* an object has 'text' twice"),
            ('[{"text": "a"}, 5]', "data.json: row 2: expected a JSON object, got int"),
            (
                '[{"text": "a"},\n {"text": }]',
                "data.json:2: not JSON: Expecting value at character 11",
            ),
            ('[{"text": "a"}', "is the file whole"),
            ('[{"text": "a"}]\n[1]', "data.json:2: expected nothing after the JSON array"),
            ('{"text": {"0": "a"}, "label": {"0": "x"}}', "one object of columns"),
            ("[" * 100_000, "nested too deeply"),
            ('{"text": ' + "9" * 5_000 + "}", "data.json:1: cannot be read"),
            ('{"review": "a"}', "no column text; there are review"),
        ],
    )
    def test_refused(self, text: str, message: str, tmp_path: Path) -> None:
        path = tmp_path / "data.json"
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            list(read_rows(path, ["text"]))

    def test_lines_may_lie_in_a_json_file(self, tmp_path: Path) -> None:
        path = tmp_path / "data.json"
        path.write_text('\n{"text": "a", "data": [1]}\n\n{"label": "x"}\n')
        assert list(read_rows(path, ["text", "label"])) == [["a", None], [None, "x"]]
        assert columns_of(path) == ["text", "data", "label"]


class TestFolderOfParquet:
    def test_every_file_is_read_in_the_order_of_names(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        for name in ("b", "a", "_c", ".d"):
            as_parquet([{"text": name, "label": "x", "who": "1"}], folder / f"{name}.parquet")
        assert list(read_rows(folder, ["text"])) == [["a"], ["b"]]
        task = FileTask(path=str(folder))
        assert [one.name for one in source_files(task)["train"]] == ["a.parquet", "b.parquet"]

    def test_several_splits_are_not_one(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            as_parquet(
                [{"text": split, "label": "x", "who": "1"}],
                tmp_path / f"{split}-00000-of-00001.parquet",
            )
        with pytest.raises(DataError, match=r"of several splits \(test, train\)"):
            list(read_rows(tmp_path, ["text"]))

    @pytest.mark.parametrize(
        ("inside", "message"),
        [
            ("", "a folder without Parquet files"),
            ("label=x", r"in the names of its folders .label=x"),
        ],
    )
    def test_refused(self, inside: str, message: str, tmp_path: Path) -> None:
        (tmp_path / "data" / inside).mkdir(parents=True)
        with pytest.raises(DataError, match=message):
            columns_of(tmp_path / "data")
        assert message[:10] in examine(FileTask(path=str(tmp_path / "data"))).problems[0] or inside


class TestFingerprint:
    """Of the tokenised data, which a trial takes from the user's cache."""

    def fingerprint(self, task: FileTask, model: str) -> str:
        """As a result carries it."""
        return load_task(task, model).fingerprint

    def written(self, path: Path, codec: str = "utf-8", delimiter: str = ",") -> FileTask:
        """A file of 20 rows."""
        rows = [
            f"é {word}{delimiter}{'xy'[i % 2]}" for i, word in enumerate(string.ascii_letters[:20])
        ]
        path.write_bytes("\n".join([f"text{delimiter}label", *rows]).encode(codec))
        return FileTask(path=str(path), splits=SMALL)

    def test_the_encoding_is_part_of_it(self, tmp_path: Path, packaged_model: str) -> None:
        task = self.written(tmp_path / "a.csv", "cp1252")
        latin, western = (
            FileTask(path=task.path, encoding=codec, splits=SMALL)
            for codec in ("latin-1", "cp1252")
        )
        assert self.fingerprint(latin, packaged_model) != self.fingerprint(western, packaged_model)

    def test_every_file_of_a_folder_is(self, tmp_path: Path, packaged_model: str) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        table = [{"text": f"word {i}", "label": "xy"[i % 2], "who": "1"} for i in range(20)]
        as_parquet(table[:10], folder / "0.parquet")
        as_parquet(table[10:], folder / "1.parquet")
        task = FileTask(path=str(folder), splits=SMALL)
        before = self.fingerprint(task, packaged_model)
        assert self.fingerprint(task, packaged_model) == before
        as_parquet([*table[10:], {"text": "new", "label": "x", "who": "1"}], folder / "1.parquet")
        assert self.fingerprint(task, packaged_model) != before

    def test_notes_come_with_the_data(self, tmp_path: Path, packaged_model: str) -> None:
        data = load_task(self.written(tmp_path / "a.csv", delimiter=";"), packaged_model)
        assert data.notes == (f"{tmp_path}/a.csv: fields are separated by a semicolon",)
        text = load_tokenizer(packaged_model).decode(data.train[0]["input_ids"])
        assert ";" not in text
