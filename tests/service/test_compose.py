"""docker-compose.yml: accepted by compose, and as closed as it says. No engine is needed to read it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.debian import compose_command, need

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as compose resolves them, those of every profile too."""
    need("docker-compose")
    command = compose_command()
    assert command
    written = subprocess.run(
        [*command, "--profile", "gpu", "-f", str(ROOT / "docker-compose.yml"), "config"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    import yaml

    resolved: dict[str, Any] = yaml.safe_load(written)["services"]
    return resolved


@pytest.mark.parametrize("name", ["ablate", "gpu"])
def test_a_container_can_do_no_more_than_it_needs(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service


@pytest.mark.parametrize(("name", "target"), [("ablate", "cpu"), ("gpu", "gpu")])
def test_every_service_builds_a_target_that_the_dockerfile_has(
    services: dict[str, Any], name: str, target: str
) -> None:
    assert services[name]["build"]["target"] == target
    lines = (ROOT / "service" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert f"FROM base AS {target}" in lines


def test_the_command_of_the_container_is_one_of_ours(services: dict[str, Any]) -> None:
    command = services["ablate"]["command"]
    command = json.loads(json.dumps(command)) if isinstance(command, list) else command.split()
    assert (
        subprocess.run(
            [sys.executable, "-m", "service.cli.main", *command[1:], "--help"], capture_output=True
        ).returncode
        == 0
    )
