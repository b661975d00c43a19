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
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from ablate.settings import LibrarySettings, read_as

Role = Literal["all", "api", "scheduler"]
NotifyFormat = Literal["json", "slack", "teams"]


class Settings(LibrarySettings):
    """Settings of the service, in addition to those of the library."""

    database_url: SecretStr | None = Field(
        None,
        description="Database: `postgresql://USER:PASSWORD@HOST/NAME` or `sqlite:///FILE`. Default: SQLite in the "
        "state directory.",
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
        600.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds without a message after which a trial is ended and retried.",
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

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else SecretStr(_database_url(url.get_secret_value().strip()))

    @field_validator("ray_address")
    @classmethod
    def _is_host_and_port(cls, address: str | None) -> str | None:
        if address is not None and not _is_web_address(f"http://{address.removeprefix('ray://')}"):
            raise ValueError("should be `host:port`")
        return address

    @field_validator("tracking_uri")
    @classmethod
    def _is_tracking_uri(cls, uri: str | None) -> str | None:
        is_other = uri is not None and re.match(r"(databricks|[a-z+]+://)", uri) and not uri.startswith("http")
        if uri not in (None, "off") and not is_other and not _is_web_address(uri or ""):
            raise ValueError("should be `off`, or the address of an MLflow server, such as http://127.0.0.1:5000")
        return uri

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

    @field_validator("allowed_hosts")
    @classmethod
    def _are_names(cls, hosts: list[str]) -> list[str]:
        if not all(re.fullmatch(r"[^\s/:@{}]+|\[?[0-9A-Fa-f:.]+\]?", name) for name in hosts):
            raise ValueError("should be host names without scheme and port, separated by commas")
        return hosts

    @cached_property
    def database(self) -> str:
        """The database's URL; a secret if it contains a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return sqlite_url(self.home / "ablate.db")

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a SQLite file, which one process at a time may serve."""
        return self.database.startswith("sqlite")

    def workdir(self, key: str) -> Path:
        """The folder of a trial."""
        return self.home / "trials" / key[:2] / key


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file. The two signs that have a meaning there are escaped; SQLAlchemy undoes it."""
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def _split(value: object, split: Callable[[str], list[str]]) -> object:
    """A text as a list: JSON if it begins like a JSON list, else by a function."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.lstrip().startswith("[") else split(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"should be a list: {error}") from error


def _database_url(text: str) -> str:
    """The URL of a database as SQLAlchemy reads it. No part of it is in an error: it may be a password.

    `postgres://` and other drivers than ours are understood, and a password whose `@`, `/`, `?`, `#` or `%` is not
    escaped.
    """
    if re.fullmatch(r"sqlite(\+pysqlite)?://.*", text):
        file = text.partition("://")[2].removeprefix("/")
        if file in ("", ":memory:") or file.startswith("file:"):
            raise ValueError("should name a file: sqlite:///FILE, or sqlite:////FILE with an absolute path")
        return f"sqlite:///{file}"
    found = re.fullmatch(r"postgres(?:ql)?(?:\+\w+)?://(.*)", text)
    if found is None:
        raise ValueError("should begin with postgresql:// or sqlite:///")
    # The user and the password end at the first @ if they are escaped, else at the last one.
    parts = re.fullmatch(r"([^@/?#]*)@([^@/?#]*(?:/[^@?]*)?(?:\?.*)?)", found[1])
    who, at, where = (parts[1], "@", parts[2]) if parts else found[1].rpartition("@")
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]*)(:\d{1,5})?(/[^?]*)?(\?.*)?", where) or _bad_port(where):
        raise ValueError("should be postgresql://USER:PASSWORD@HOST:PORT/NAME, with a port from 1 to 65535")
    escaped = re.sub(r"%(?![0-9A-Fa-f]{2})|[@/?#\[\]]", lambda one: quote(one[0], safe=""), who)
    return f"postgresql+psycopg://{escaped}{at}{where}"


def _bad_port(where: str) -> bool:
    port = re.match(r"(?:\[[^\]]*\]|[^:/?]*):(\d+)", where)
    return port is not None and not 0 < int(port[1]) < 65536


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
