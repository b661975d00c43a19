"""The page over a service whose trials do what the test says, as a browser asks for it but without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.app import create_app


@pytest.fixture
def client(desk: Any) -> Iterator[TestClient]:
    with TestClient(create_app(desk.context), base_url="http://localhost:8080", headers={"accept": "text/html"}) as one:
        yield one
