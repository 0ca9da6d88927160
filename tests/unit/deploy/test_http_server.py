"""The socket and the token of a server."""

import stat
from pathlib import Path

import pytest

from deft_sweeps.deploy.http_server import TOKEN_VARIABLE, listening, token_for
from deft_sweeps.errors import ConfigError


def test_a_port_in_use_is_told_with_a_remedy() -> None:
    with (
        listening("127.0.0.1", 0) as bound,
        pytest.raises(ConfigError, match=r"cannot be bound.*another port"),
    ):
        listening("127.0.0.1", bound.getsockname()[1])


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_an_address_that_is_not_here_is_refused(host: str, port: int) -> None:
    with pytest.raises(ConfigError, match="cannot be bound"):
        listening(host, port)


def test_a_random_token_is_in_a_file_of_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    token, path = token_for(8000)
    assert path is not None
    assert path.is_relative_to(tmp_path)
    assert path.read_text() == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again, same = token_for(8000)
    assert same == path
    assert again != token
    assert path.read_text() == again


def test_the_environments_token_is_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "given")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert token_for(8000) == ("given", None)
    assert list(tmp_path.iterdir()) == []
