"""The one place where the environment is read: `ABLATE_*`, once, at the start of a command."""

from __future__ import annotations

import json
import re
import shlex
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ablate.errors import AblateError
from ablate.study.plan import MAX_TRIALS


class SettingsError(AblateError):
    """An environment variable has a value that cannot be used."""


Role = Literal["all", "api", "scheduler"]


class Settings(BaseSettings):
    """Settings of the service; every field is an environment variable with the prefix ABLATE_.

    Attributes:
        home: state directory: database, trials' folders, `mlflow.db`, MLflow's artifacts, Ray's files and token.
        database_url: None: SQLite in `home`.
        ray_address: of a running cluster; None starts a local Ray.
        dispatcher: `inline` runs trials in processes of this machine, without Ray.
        tracking_uri: of an MLflow server; None: embedded, in `home`; `off`: no mirror.
        workers: CPUs (or, on GPUs, trials) used at once; None: as many as fit.
        max_trials: of one study.
        silence_s: a trial that says nothing for so long is ended and tried again.
        max_body_bytes: of a request.
        allowed_hosts: names (without port) under which the service may be called, besides loopback and its own host.
        notify_url: http(s) address that gets each notice as JSON by POST; a secret, since such addresses hold tokens.
        notify_command: arguments of a program that gets each notice as JSON on stdin: a JSON list, or words as a shell
            would part them; no shell is started.
    """

    model_config = SettingsConfigDict(env_prefix="ABLATE_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=lambda: Path.home() / ".local" / "share" / "ablate")
    database_url: SecretStr | None = None
    ray_address: str | None = None
    dispatcher: Literal["ray", "inline"] = "ray"
    tracking_uri: str | None = None
    workers: int | None = Field(None, ge=1)
    max_trials: int = Field(MAX_TRIALS, ge=1)
    silence_s: float = Field(600.0, gt=0)
    max_body_bytes: int = Field(1 << 20, ge=1024)
    allowed_hosts: list[str] = Field(default_factory=list)
    notify_url: SecretStr | None = None
    notify_command: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("home")
    @classmethod
    def _is_absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("notify_url")
    @classmethod
    def _is_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or not url.get_secret_value():
            return None
        if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", url.get_secret_value()):
            raise ValueError("should be an address that begins with http:// or https://")
        return url

    @field_validator("notify_command", mode="before")
    @classmethod
    def _in_arguments(cls, command: object) -> object:
        if not isinstance(command, str):
            return command
        if command.lstrip().startswith("["):
            return tuple(json.loads(command))
        return tuple(shlex.split(command))

    @cached_property
    def database(self) -> str:
        """The database's URL; a secret where it holds a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'ablate.db'}"

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a SQLite file, which one process at a time may serve."""
        return self.database.startswith("sqlite")

    def workdir(self, key: str) -> Path:
        """The folder of a trial's own."""
        return self.home / "trials" / key[:2] / key


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a variable has a value that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"ABLATE_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors(include_input=False)]
        raise SettingsError("; ".join(lines)) from error
