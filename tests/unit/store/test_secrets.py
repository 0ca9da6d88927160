import pytest

from deft_sweeps.store.secrets import short_reason, without_secrets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ann:hunter2@host:5000/path", "https://***@host:5000/path"),
        ("postgresql+psycopg2://ann:hunter2@db/x failed", "postgresql+psycopg2://***@db/x failed"),
        ("401 with Authorization: Bearer hunter2", "401 with Authorization: Bearer ***"),
        ("api_key='hunter2' refused", "api_key='***' refused"),
        ("token hf_abcdefgh12345 is invalid", "token *** is invalid"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
        ("loss is not finite at step 3", "loss is not finite at step 3"),
    ],
)
def test_secrets_are_left_out_and_the_rest_stays(text: str, expected: str) -> None:
    assert without_secrets(text) == expected


def test_a_reason_is_one_short_line() -> None:
    assert short_reason(ValueError("first\nsecond")) == "ValueError: first"
    assert short_reason(KeyError()) == "KeyError"
    assert len(short_reason(ValueError("x" * 1000), limit=50)) == 50
