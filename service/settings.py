"""The settings of the service: `ABLATE_*` variables, read once at the start of a command by `ablate.settings`."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from ablate.settings import LibrarySettings, read_as

Role = Literal["all", "api", "scheduler"]
NotifyFormat = Literal["json", "slack", "teams"]


class Settings(LibrarySettings):
    """Settings of the service, in addition to those of the library."""

    database_url: SecretStr | None = Field(
        None,
        description="Database: `postgresql+psycopg://...` or `sqlite:///...`. Default: SQLite in the state directory.",
    )
    ray_address: str | None = Field(
        None,
        description="`host:port` of a running Ray cluster; its machines need ablate, the data and the trials' folders "
        "at the same paths. Default: a Ray that the service starts on this machine.",
    )
    dispatcher: Literal["ray", "inline"] = Field(
        "ray", description="`ray`, or `inline`: trials run in processes of this machine, without Ray."
    )
    tracking_uri: str | None = Field(
        None,
        description="Address of an MLflow server, or `off` for no mirror. Default: an embedded MLflow in the state "
        "directory.",
    )
    silence_s: float = Field(
        600.0, gt=0, description="Seconds without a message after which a trial is ended and retried."
    )
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest body of a request, in bytes.")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Host names (without port) that requests may use besides loopback, as a JSON list or separated by "
        "commas.",
    )
    notify_url: SecretStr | None = Field(
        None,
        description="http(s) address that receives each notice as JSON by POST: drift, jumps, more lost "
        "seeds, unknown rows, holes, missed firings, schedules that cannot fire, finished studies, low disk. A "
        "repeated notice has the same `id`.",
    )
    notify_format: NotifyFormat = Field(
        "json",
        description="How a notice to the address is written: `json` with all fields; `slack` or `teams` as the message "
        "of an incoming webhook, with the sentence alone. HTTP_PROXY, HTTPS_PROXY and NO_PROXY are respected.",
    )
    notify_command: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Program and arguments that receive each notice as JSON on stdin, as a JSON list or split like a "
        "shell does; no shell is started.",
    )

    @field_validator("notify_url")
    @classmethod
    def _is_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_web_address(url.get_secret_value()):
            raise ValueError(
                "should be an address that begins with http:// or https://, with a host name and a port from 1 to 65535"
            )
        return url

    @field_validator("notify_command", mode="before")
    @classmethod
    def _split_words(cls, command: object) -> object:
        return _split(command, shlex.split)

    @field_validator("notify_command")
    @classmethod
    def _can_be_called(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if (words and not words[0]) or any("\0" in word for word in words):
            raise ValueError("should begin with the name of a program and contain no NUL character")
        return words

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_names(cls, hosts: object) -> object:
        return _split(hosts, lambda text: [name.strip() for name in text.split(",") if name.strip()])

    @cached_property
    def database(self) -> str:
        """The database's URL; a secret if it contains a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'ablate.db'}"

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a SQLite file, which one process at a time may serve."""
        return self.database.startswith("sqlite")

    def workdir(self, key: str) -> Path:
        """The folder of a trial."""
        return self.home / "trials" / key[:2] / key


def _split(value: object, split: Callable[[str], list[str]]) -> object:
    """A text as a list: JSON if it begins like a JSON list, else by a function."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.lstrip().startswith("[") else split(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"should be a list: {error}") from error


def _is_web_address(text: str) -> bool:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", text) or not text.isprintable():
        return False
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            ipaddress.IPv6Address(host)
            return port != 0
        name = host.encode("idna")
    except ValueError:
        return False
    return re.fullmatch(rb"[A-Za-z0-9_.-]{1,253}", name) is not None and port != 0


def read_settings() -> Settings:
    """The settings of this process; raises as `ablate.settings.read_as`."""
    return read_as(Settings)
