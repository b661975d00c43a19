"""Which variables a worker inherits."""

from __future__ import annotations

import pytest

from ablate.workers.environment import hide_secrets, hide_unlisted

SECRETS = {
    "HF_TOKEN": "x", "MY_SECRET": "x", "PGPASSWORD": "x", "MYSQL_PWD": "x", "DB_PASS": "x", "OPENAI_API_KEY": "x",
    "AWS_ACCESS_KEY_ID": "x", "aws_secret_access_key": "x", "GOOGLE_APPLICATION_CREDENTIALS": "x", "SSH_AUTH_SOCK": "x",
    "HTTP_AUTHORIZATION": "x", "SSH_PRIVATE_KEY": "x", "SESSION_COOKIE": "x", "DATABASE_URL": "x", "SENTRY_DSN": "x",
    "SLACK_WEBHOOK_URL": "x", "NVIDIA_API_KEY": "x", "CONDA_TOKEN": "x", "GITHUB_PAT": "x",
    "PIP_INDEX_URL": "https://ada:hush@packages/simple", "http_proxy": "http://ada:hush@proxy:3128",
    "ABLATE_DATABASE_URL": "x", "ABLATE_API_KEY": "x", "ABLATE_NOTIFY_URL": "https://hooks/x", "ABLATE_URL": "http://x",
}  # fmt: skip
LISTED = dict.fromkeys(
    (
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "TZ", "XDG_CACHE_HOME",
        "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "NCCL_DEBUG",
        "OMP_SCHEDULE", "MKL_NUM_THREADS", "HTTPS_PROXY", "no_proxy", "PYTHONPATH", "PYTHONHOME", "ABLATE_HOME",
        "ABLATE_DATA", "ABLATE_TASK_ENV",
    ),
    "x",
)  # fmt: skip
OTHERS = {"EDITOR": "vi", "GIT_AUTHOR_NAME": "ada", "PWD": "/home/ada", "MONKEY": "x", "ADDRESS": "http://host:80/a@b"}
ALL = SECRETS | LISTED | OTHERS


def test_a_worker_of_the_service_inherits_what_is_listed_and_no_secret() -> None:
    assert ALL.keys() - hide_unlisted(ALL, ()).keys() == LISTED.keys()


def test_a_worker_of_a_run_inherits_everything_but_secrets() -> None:
    assert ALL.keys() - hide_secrets(ALL, ()).keys() == (LISTED | OTHERS).keys()


@pytest.mark.parametrize("name", ["HF_TOKEN", "EDITOR", "http_proxy"])
def test_a_named_variable_is_inherited_in_both_cases(name: str) -> None:
    assert name not in hide_unlisted(ALL, (name,))
    assert name not in hide_secrets(ALL, (name,))
