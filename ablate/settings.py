"""The settings of the library, and the only place where `ABLATE_*` variables are read; the service extends them.

A variable that is set to an empty text counts as unset, everywhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from ablate.errors import AblateError
from ablate.limits import MAX_TRIALS, MAX_WORKERS
from ablate.machine.folders import FolderError, default_home, find_folder
from ablate.text import in_plain_words

PREFIX = "ABLATE_"
FOLDER = "folder"
"""Type of the error of a folder that cannot be used."""
S = TypeVar("S", bound="LibrarySettings")


class SettingsError(AblateError):
    """An environment variable has a value that cannot be used."""


class LibrarySettings(BaseSettings):
    """Settings of the library. Each field is an environment variable with the prefix `ABLATE_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=default_home,
        validate_default=True,
        description="State directory: database, trials' checkpoints and logs, MLflow's store, Ray's files. Default: "
        "`~/.local/share/ablate`, or `ablate` in `XDG_DATA_HOME` where that is set and the former does not exist.",
    )
    data: Path | None = Field(None, description="Folder of the data sets. Default: `data` in the state directory.")
    device: Literal["auto", "mps"] = Field(
        "auto", description="Device of training. auto: NVIDIA's GPUs where a trial asks for them, else the CPU. mps: "
        "the GPU of a Mac with Apple silicon; nobody has run it yet.",
    )  # fmt: skip
    workers: int | None = Field(
        None, ge=1, le=MAX_WORKERS, description="CPUs (on GPUs: trials) used at the same time. Default: as many as fit."
    )
    max_trials: int = Field(MAX_TRIALS, ge=1, description="Largest number of trials of one study.")
    url: str | None = Field(
        None,
        description="Address of the service that the commands use. Default: the service of this state directory, else "
        "http://127.0.0.1:8080.",
    )
    api_key: SecretStr | None = Field(None, description="Key that the commands send to the service.")
    task_env: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Names of further environment variables that code of tasks may see, separated by commas. A service "
        "passes only what programs, Python and GPUs need; `ablate run` passes everything but what looks like a secret.",
    )

    @field_validator("task_env", mode="before")
    @classmethod
    def _split_env(cls, names: object) -> object:
        return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names

    @field_validator("task_env")
    @classmethod
    def _are_foreign_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.startswith(PREFIX):
                raise ValueError(
                    "should be names of variables, separated by commas; settings of ablate cannot be named"
                )
        return names

    @field_validator("home", "data")
    @classmethod
    def _can_be_used(cls, folder: Path | None) -> Path | None:
        if folder is None:
            return None
        try:
            return find_folder(folder)
        except FolderError as error:
            raise PydanticCustomError(FOLDER, "{text}", {"text": str(error)}) from error

    @property
    def data_root(self) -> Path:
        """Folder of the data sets."""
        return self.data or self.home / "data"


def read_library_settings() -> LibrarySettings:
    """The library's settings of this process; raises as `read_as`."""
    return read_as(LibrarySettings)


def read_as(kind: type[S]) -> S:
    """Read the environment variables of this process.

    Args:
        kind: which settings.

    Raises:
        SettingsError: a variable has a value that cannot be used; values are not quoted, since some are secrets.
    """
    try:
        return kind()
    except UnreadableError as error:  # a list that is not JSON
        raise SettingsError(str(error)) from error
    except ValidationError as error:
        sentences = dict.fromkeys(_explain(dict(one)) for one in error.errors(include_input=False))
        raise SettingsError("; ".join(sentences)) from error
    except FolderError as error:  # of the default
        raise SettingsError(f"{PREFIX}HOME: {error}; {_advice_for_folder('HOME')}") from error


def _explain(error: dict[str, object]) -> str:
    location, message = error["loc"], str(error["msg"])
    assert isinstance(location, tuple)
    message = in_plain_words(message.removeprefix("Value error, "))
    name = str(location[0]).upper()
    if error["type"] == FOLDER:
        return f"{PREFIX}{name}: {message}; {_advice_for_folder(name)}"
    return f"{PREFIX}{name} {message}; unset it to use the default"


def _advice_for_folder(name: str) -> str:
    return f"set {PREFIX}{name} to a folder that you can write to"
