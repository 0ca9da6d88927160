import time
from pathlib import Path

import pytest

from deft_sweeps.store.secrets import MAX_LENGTH, last_failure, short_reason, without_secrets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ann:hunter2@host:5000/path", "https://***@host:5000/path"),
        ("postgresql+psycopg2://ann:hunter2@db/x failed", "postgresql+psycopg2://***@db/x failed"),
        (
            "postgresql://joe:S3cr/etpw@db.host/x?sslpassword=hunter2222",
            "postgresql://***@db.host/x?sslpassword=***",
        ),
        ("url 'mysql://joe:p@ss@db/x' failed", "url 'mysql://***@db/x' failed"),
        ("<postgresql://joe:it's@db/x>", "<postgresql://***@db/x>"),
        ("https://ann@corp.com:hunter2@host/x", "https://***@host/x"),
        ("redis://:hunter2@host", "redis://***@host"),
        ("https://host/model@main and ann@corp.com", "https://host/model@main and ann@corp.com"),
        ("got 'joe:S3cr/et@db.host/x'", "got '***@db.host/x'"),
        ("x.yaml:3:18: joe:S3cret@[::1]:5432/x", "x.yaml:3:18: ***@[::1]:5432/x"),
        ("/data/a:b@c/x.yaml:3:18: expected", "/data/a:b@c/x.yaml:3:18: expected"),
        ("/data/token/secret.yaml:3:18: expected", "/data/token/secret.yaml:3:18: expected"),
        ("HF_TOKEN=hunter2 db_secret: hunter2", "HF_TOKEN=*** db_secret: ***"),
        ('{"password": "hunter2"}', '{"password": "***"}'),
        (
            "max_input_tokens: 48, n_tokens=20, tokenizer: t5, pad_token_id=0",
            "max_input_tokens: 48, n_tokens=20, tokenizer: t5, pad_token_id=0",
        ),
        ("401 with Authorization: Bearer hunter2", "401 with Authorization: Bearer ***"),
        ("api_key='hunter2' refused", "api_key='***' refused"),
        ("token hf_abcdefgh12345 is invalid", "token *** is invalid"),
        ("glpat-abcdefgh-1234_wxyz says no", "*** says no"),
        ("key AKIAIOSFODNN7EXAMPLE is wrong", "key *** is wrong"),
        ("ghp_abcdefgh12345 ghs_abcdefgh12345 github_pat_11ABC_defgh", "*** *** ***"),
        (f"xoxb-123456789-abc npm_{'a1' * 18} npm_config_registry", "*** *** npm_config_registry"),
        (r'"postgresql:\x2f\x2fann:hunter2@db/x"', '"***@db/x"'),
        (r'{"\u0070assword": "hunter2"}', '{"password": "***"}'),
        (r'"h\x74tp://ann:hunter2\u0040host"', '"http://***@host"'),
        ('"http://ann:hun\\\n  ter2@host"', '"http://***@host"'),
        (r'text: "caf\u00e9 \x1b[0m \n"', r'text: "caf\u00e9 \x1b[0m \n"'),
        ("a:@ b:@. c:@host", "a:@ b:@. ***@host"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
        ("loss is not finite at step 3", "loss is not finite at step 3"),
    ],
)
def test_secrets_are_left_out_and_the_rest_stays(text: str, expected: str) -> None:
    assert without_secrets(text) == expected


@pytest.mark.parametrize(
    "unit", ["x", "a://", "://:", "a:", "a:@", 'a:"', "@", "token", "token=", "secret_", "api-"]
)
@pytest.mark.parametrize("end", ["", "@", "@h", "'@x'"])
def test_masking_takes_linear_time(unit: str, end: str) -> None:
    """A comment of 200 kB without a space took minutes."""
    began = time.process_time()
    without_secrets(unit * (200_000 // len(unit)) + end)
    assert time.process_time() - began < 20


def test_a_long_password_is_masked_whole() -> None:
    token = "A1b2/:'" * 500
    assert without_secrets(f"mysql://joe:{token}@db/x") == "mysql://***@db/x"
    assert without_secrets(f"joe:{token}@db/x") == "***@db/x"


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml")),
    ids=lambda path: path.name,
)
def test_a_spec_without_secrets_is_shown_as_it_is(path: Path) -> None:
    assert without_secrets(path.read_text("utf-8")) == path.read_text("utf-8")


def test_a_reason_is_one_short_line() -> None:
    assert short_reason(ValueError("first\nsecond")) == "ValueError: first"
    assert short_reason(KeyError()) == "KeyError"
    assert len(short_reason(ValueError("x" * 1000))) == MAX_LENGTH


IN_SETUP = """Failure # 1 (occurred at 2026-01-01)
The actor died unexpectedly before finishing this task.
Failure # 2 (occurred at 2026-01-02)
The actor died because of an error raised in its creation task, ray::T.__init__() (pid=1)
  File "/x/trainable.py", line 151, in __init__
    self.setup(copy.deepcopy(self.config))
           ^^^^^^^^^^
  File "/x/y.py", line 12, in setup
    raise OSError(where)
OSError: cannot read https://ann:hunter2@hub/model
"""
OUT_OF_MEMORY = """Failure # 1 (occurred at 2026-01-01)
The actor died unexpectedly before finishing this task.
\tclass_name: T
\tactor_id: 7a03
The actor is dead because its worker process was killed: the node was running low on memory.
Refer to the documentation.
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (IN_SETUP, "OSError: cannot read https://***@hub/model"),
        (
            OUT_OF_MEMORY,
            (
                "The actor is dead because its worker process was killed: the node was running low"
                " on memory."
            ),
        ),
        ("Failure # 1 (occurred at 2026-01-01)\nsomething else\n", "something else"),
        ("", ""),
    ],
)
def test_the_last_failure_of_an_error_file_is_named_in_a_line(log: str, expected: str) -> None:
    assert last_failure(log) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a:",
        "a:@.",
        "@",
        "a@",
        "a://b:",
        "://",
        "a:b@",
        "a:'@.",
        'a:@."',
        "token",
        "token=",
        "token ",
        "\\u0061",
        "sk-",
        " ",
        "\n",
    ],
)
@pytest.mark.parametrize("end", ["", "'@h"], ids=["", "quoted"])
def test_a_text_without_a_space_is_masked_in_time_proportional_to_its_length(
    unit: str, end: str
) -> None:
    """Every start of an address once looked for its end: 20 kB took seconds, this a minute."""
    began = time.process_time()
    masked = without_secrets(unit * (100_000 // len(unit)) + end)
    assert time.process_time() - began < 20
    assert masked.endswith(end[-2:])


def test_a_megabyte_without_a_space_is_masked_in_seconds() -> None:
    began = time.process_time()
    assert without_secrets("a:b" * 333_333 + "'@host") == "***@host"
    assert time.process_time() - began < 60


def test_a_warning_of_the_same_trouble_is_the_same_sentence() -> None:
    """The name of a temporary file would make it a new one each time."""
    said = {
        short_reason(OSError(28, "No space left on device", f"/tmp/tmp{name}/result.json"))
        for name in ("ab12cd34", "x_y_z_12")
    }
    assert said == {"OSError: [Errno 28] No space left on device: '/tmp/tmp***/result.json'"}
