"""Environment variables that a worker inherits: from the service those on a list, from `ablate run` all but secrets.

Names in `ABLATE_TASK_ENV` are inherited in both cases.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

WORKER_ENVIRONMENT = {
    # Large blocks are kept instead of given back to the system after every step: up to 2.6 x on large activations.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    # Otherwise the profiler that measures memory prints to the terminal.
    "KINETO_LOG_LEVEL": "99",
}
"""What every worker process gets."""

LISTED = re.compile(
    # where programs, files and this user are, the locale and the time zone
    r"PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|LANG|LANGUAGE|LC_\w+|TZ|XDG_\w+|LD_LIBRARY_PATH"
    # Python and its environments
    r"|PYTHON[A-Z0-9]+|VIRTUAL_ENV|CONDA_\w+"
    # GPUs and libraries of numbers
    r"|CUDA_\w+|NVIDIA_\w+|NCCL_\w+|OMP_\w+|MKL_\w+"
    # proxies
    r"|(?i:(https?|ftp|all|no)_proxy)"
)
"""What a worker of the service inherits, except secrets."""
OWN = ("ABLATE_HOME", "ABLATE_DATA", "ABLATE_DEVICE", "ABLATE_TASK_ENV")
"""The settings of ablate that workers need. No other one is inherited: some are secrets."""
SECRET = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|(^|_)(PASS|PWD|PAT|DSN|KEY)(_|$)|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL"
    r"|AUTH(?!OR(_|$))|COOKIE|WEBHOOK|CONNECTION_?STRING|DATABASE_URL",
    re.IGNORECASE,
)
"""Names that look like those of a secret."""
_PASSWORD_IN_URL = re.compile(r"://[^/\s]*:[^/\s]+@")


def is_secret(name: str, value: str) -> bool:
    """Whether a variable looks like a secret: by its name, or since it is an address with a password."""
    is_folder = name in ("PWD", "OLDPWD")
    return not is_folder and bool(SECRET.search(name) or _PASSWORD_IN_URL.search(value))


def hide_secrets(environ: Mapping[str, str], named: Collection[str]) -> dict[str, str | None]:
    """The variables that look like secrets, and the settings of ablate that no worker needs, each with None.

    Args:
        environ: variables of this process.
        named: names that are inherited in any case.
    """
    return {
        name: None
        for name, value in environ.items()
        if name not in named and name not in OWN and (name.startswith("ABLATE_") or is_secret(name, value))
    }


def hide_unlisted(environ: Mapping[str, str], named: Collection[str]) -> dict[str, str | None]:
    """All variables that are neither listed nor named, and those that look like secrets, each with None."""
    unlisted = {name: None for name in environ if name not in named and name not in OWN and not LISTED.fullmatch(name)}
    return unlisted | hide_secrets(environ, named)


@contextmanager
def child_environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Environment variables for the processes that are started inside the block; None removes a variable."""
    before = {name: os.environ.get(name) for name in values}
    _set_variables(values)
    try:
        yield
    finally:
        _set_variables(before)


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
