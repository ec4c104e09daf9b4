"""The variables of the contract, and what a wrong one says."""

from pathlib import Path

import pytest

from services.runtime.settings import InvalidSettings, read_settings


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own environment only."""
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP", "DATA_DIR", "ADMIN_KEY", "PUPIL_KEY", "IDENTITY_KEY", "URL", "KEY"):
        monkeypatch.delenv(f"MARKLEDGER_{name}", raising=False)
        monkeypatch.delenv(f"MARKLEDGER_{name}_FILE", raising=False)


def test_nothing_given_is_the_embedded_default() -> None:
    settings = read_settings()
    assert settings.database_url is None
    assert settings.kafka_bootstrap == ()
    assert settings.data_dir == Path(".markledger")
    assert settings.url == "http://127.0.0.1:8080"


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKLEDGER_DATA_DIR", "/from/environment")
    assert read_settings(data_dir=None).data_dir == Path("/from/environment")
    assert read_settings(data_dir="/given").data_dir == Path("/given")


def test_brokers_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKLEDGER_KAFKA_BOOTSTRAP", "one:9092, two:9093")
    assert read_settings().kafka_bootstrap == ("one:9092", "two:9093")


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "pupil-key"
    path.write_text("p" * 40 + "\n")
    monkeypatch.setenv("MARKLEDGER_PUPIL_KEY_FILE", str(path))
    pupil_key = read_settings().pupil_key
    assert pupil_key is not None
    assert pupil_key.get_secret_value() == "p" * 40


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKLEDGER_DATABASE_URL", "postgresql://user:hidden@host/db")
    monkeypatch.setenv("MARKLEDGER_ADMIN_KEY", "hidden" * 8)
    settings = read_settings()
    assert "hidden" not in repr(settings)
    assert settings.database_dsn == "postgresql://user:hidden@host/db"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("MARKLEDGER_ADMIN_KEY", "short-secret", "at least 32 characters"),
        ("MARKLEDGER_DATABASE_URL", "mysql://secret@host", "postgresql://"),
        ("MARKLEDGER_KAFKA_BOOTSTRAP", "no-port", "host:port"),
        ("MARKLEDGER_KAFKA_BOOTSTRAP", "host:99999", "host:port"),
        ("MARKLEDGER_URL", "ftp://secret", "http://"),
        ("MARKLEDGER_PUPIL_KEY_FILE", "/does/not/exist", "No such file"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings) as failure:
        read_settings()
    message = str(failure.value)
    assert message.startswith(variable)
    assert told in message
    assert "\n" not in message
    assert "secret" not in message


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MARKLEDGER_PUPIL_KEY", "p" * 40)
    monkeypatch.setenv("MARKLEDGER_PUPIL_KEY_FILE", str(tmp_path))
    with pytest.raises(InvalidSettings, match="both set"):
        read_settings()
