"""The probe through its real subprocess."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate.errors import AblateError, SiteError
from ablate.models.probe_client import Probe

SMALL = {"width": 0.125, "depth": [1, 1, 1, 1], "stem": "small_s2", "dataset": "fashion-mnist"}


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with Probe() as running:
        yield running


def test_a_recipe_comes_back_with_its_sites_and_cost(probe: Probe):
    probed = probe.cost({**SMALL, "activation": "relu"})
    assert probed.cost is not None
    assert probed.cost.params == 130_002
    assert len(probed.sites) == 13
    assert probed.replaced == frozenset()


def test_sites_alone_are_not_counted(probe: Probe):
    probed = probe.sites({**SMALL, "stages": [2], "layers": ["3x3"]})
    assert probed.cost is None
    assert probed.replaced == {"layer1.0.relu2"}


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"model": "torchvision/resnet5"}, "did you mean 'resnet50'"),
        ({**SMALL, "stages": [7]}, "no site matches stages"),
        ({"dataset": "imagenot"}, "no data set 'imagenot'"),
        ({"modle": "resnet50"}, "modle"),
        ({"model": "torchvision/vit_b_16"}, "no activation call site"),
    ],
)
def test_an_error_comes_back_as_a_sentence_and_the_process_stays(probe: Probe, recipe: dict[str, object], message: str):
    with pytest.raises(SiteError, match=message):
        probe.cost(recipe)
    assert probe.sites(SMALL).sites


def test_a_process_that_died_is_reported_and_started_again():
    with Probe() as probe:
        probe.sites(SMALL)
        child = probe._child
        assert child is not None
        child.process.kill()
        child.wait()
        assert probe.sites(SMALL).sites
        assert probe._child is not child


def test_a_process_that_dies_while_it_answers_is_reported_with_its_end():
    with Probe() as probe:
        probe.start()
        assert probe._child is not None
        os.kill(probe._child.pid, signal.SIGSTOP)  # so that it cannot answer first
        threading.Timer(0.2, probe._child.process.kill).start()
        with pytest.raises(
            AblateError, match=r"was ended by SIGKILL \(out of memory\?\); its stderr may give a reason"
        ):
            probe.sites(SMALL)
        assert probe._child is None


def test_an_answer_that_takes_too_long_ends_the_process():
    with Probe(timeout_s=0.05) as probe:
        with pytest.raises(AblateError, match=r"no answer within 0\.05 s"):
            probe.sites(SMALL)
        assert probe._child is None


def test_the_client_does_not_import_torch():
    code = "import ablate.models.probe_client, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_probe_does_not_have_hidden_variables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HIDDEN", "x")
    monkeypatch.setenv("SHOWN", "x")
    with Probe(hidden=("HIDDEN",)) as probe:
        probe.start()
        pid = probe._child.pid
        while not (written := Path(f"/proc/{pid}/environ").read_bytes()):  # the kernel is just about to start it
            threading.Event().wait(0.01)
        variables = written.split(b"\0")
    assert b"SHOWN=x" in variables
    assert b"HIDDEN=x" not in variables
