"""What the product is told from outside: the `MARKLEDGER_*` variables, read once by the edge of each process.

A secret may stand in a file instead: `MARKLEDGER_PUPIL_KEY_FILE=/run/secrets/pupil-key`. A wrong value is one
line that names the variable and never repeats the value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

PREFIX = "MARKLEDGER_"
SECRET_CHARACTERS_MIN = 32

_Secret = Annotated[SecretStr, Field(min_length=SECRET_CHARACTERS_MIN)]


class InvalidSettings(ValueError):
    """A variable holds what it may not; the message is one line that names it."""


class Settings(BaseSettings):
    """The settings of one process; `read_settings` makes them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    secrets: ClassVar[tuple[str, ...]] = (
        *("database_url", "keystore_url", "admin_key", "pupil_key", "identity_key", "key"),
    )

    database_url: SecretStr | None = None
    keystore_url: SecretStr | None = None
    kafka_bootstrap: Annotated[tuple[str, ...], NoDecode] = ()
    data_dir: Path = Path(".markledger")
    admin_key: _Secret | None = None
    pupil_key: _Secret | None = None
    identity_key: _Secret | None = None
    reporting: bool = True
    small_numbers: Annotated[int, Field(ge=3, le=10)] = 5
    url: str = "http://127.0.0.1:8080"
    key: SecretStr | None = None

    @property
    def database_dsn(self) -> str | None:
        """The database URL in clear, for the one who connects."""
        return None if self.database_url is None else self.database_url.get_secret_value()

    @field_validator("database_url", "keystore_url")
    @classmethod
    def _check_database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value

    @field_validator("kafka_bootstrap", mode="before")
    @classmethod
    def _split_bootstrap(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        servers = tuple(part.strip() for part in value.split(",") if part.strip())
        for server in servers:
            host, colon, port = server.rpartition(":")
            if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
                raise ValueError("must be host:port,host:port")
        return servers

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments of the command first, then the environment, where a secret may name a file."""
        return init_settings, _EnvironmentOrFile(settings_cls)


class _EnvironmentOrFile(EnvSettingsSource):
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        if field_name not in Settings.secrets:
            return value, key, is_complex
        variable = f"{PREFIX}{field_name.upper()}"
        path = self.env_vars.get(f"{variable}_FILE".lower())
        if not path:
            return value, key, is_complex
        if value is not None:
            raise InvalidSettings(f"{variable} and {variable}_FILE are both set; keep one")
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), key, is_complex
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise InvalidSettings(f"{variable}_FILE: cannot read {path}: {reason}") from error


def read_settings(**given: Any) -> Settings:
    """The settings of this process; what is `given` (by the command line; None = not) wins over the environment.

    Raises InvalidSettings.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise InvalidSettings(f"{variable}: {_reason(first['type'], first['msg'])}") from None
    except SettingsError as error:
        raise InvalidSettings(str(error.__cause__ or error)) from None


def _reason(kind: str, message: str) -> str:
    if kind == "too_short":
        return f"must have at least {SECRET_CHARACTERS_MIN} characters"
    return message.removeprefix("Value error, ")
