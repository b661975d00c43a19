"""What is in a bundle: RO-Crate metadata, the wheel, no word of this machine; the same results give the same bytes."""

from __future__ import annotations

import base64
import csv
import getpass
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.bundle.archive import BundleError
from ablate.bundle.contents import bundle_files
from ablate.bundle.privacy import Scrubber
from ablate.bundle.verify import verify
from ablate.study.plan import plan_document
from ablate.trials.provenance import digest_of_packages
from tests.bundle.conftest import STUDY, draw_records, read_all, results_of, write

TOKEN = "abl_0123456789abcdef"
TRACE = f"""Traceback in {Path.home()}/work/x.py and /home/someone/project/y.py on {socket.gethostname()}
Authorization: Bearer {TOKEN}
postgresql://me:secret@db/ablate"""


def test_it_has_everything_that_the_readme_names(windows: Path) -> None:
    files = read_all(windows)
    named = re.findall(r"^\| (.+?) \|", files["README.md"].decode(), re.MULTILINE)
    names = {name for cell in named for name in re.findall(r"`([^`]+)`", cell)}
    names -= {"code/", "logs/", "weights/", "table.*"}
    for name in names:
        assert name in files or any(one.startswith(name) for one in files), name
    assert {f"table.{form}" for form in ("md", "tex", "csv", "html", "json")} <= files.keys()
    assert {"plots/forest.svg", "plots/seeds.svg", "plots/curves.svg"} <= files.keys()
    packages = files["requirements.lock"].decode().splitlines()
    assert re.fullmatch("[0-9a-f]{16}", digest_of_packages(packages))
    curves = list(csv.DictReader(io.StringIO(files["curves.csv"].decode())))
    assert len(curves) == 4 * 8 * 2


def test_the_metadata_follow_ro_crate_and_its_profile(windows: Path) -> None:
    """The MUSTs of RO-Crate 1.1 (root data entity, data entities) and of Process Run Crate 0.5."""
    files = read_all(windows)
    document: dict[str, Any] = json.loads(files["ro-crate-metadata.json"])
    assert document["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(entities) == len(document["@graph"]), "each entity has an @id of its own"
    assert all(entity["@type"] for entity in entities.values())
    descriptor = entities["ro-crate-metadata.json"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["conformsTo"]["@id"].startswith("https://w3id.org/ro/crate/")
    root = entities[descriptor["about"]["@id"]]
    assert (root["@id"], root["@type"]) == ("./", "Dataset")
    assert root["name"] == "Window size"
    assert root["description"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    assert entities[root["license"]["@id"]]["name"]
    assert entities[root["conformsTo"]["@id"]]["@type"] == "CreativeWork"
    assert root["conformsTo"]["@id"].startswith("https://w3id.org/ro/wfrun/process/")
    parts = [part["@id"] for part in root["hasPart"]]
    data = [entity for entity in entities.values() if entity["@type"] in ("File", "Dataset") and entity is not root]
    assert sorted(parts) == sorted(entity["@id"] for entity in data)
    for entity in data:
        name = entity["@id"]
        if entity["@type"] == "File":
            assert entity["contentSize"] == str(len(files[name]))
            assert "/" in entity["encodingFormat"]
        else:
            assert name.endswith("/")
            assert any(one.startswith(name) for one in files)
    action = entities[root["mentions"]["@id"]]
    assert action["@type"] == "CreateAction"
    assert entities[action["instrument"]["@id"]]["@type"] == "SoftwareApplication"
    assert {one["@id"] for one in (*action["object"], *action["result"])} <= set(parts)
    assert action["startTime"] <= action["endTime"]

    def references(value: object) -> list[str]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        own = [value["@id"]] if isinstance(value, dict) and set(value) == {"@id"} else []
        return own + [found for one in inner for found in references(one)]

    dangling = {one for one in references(document) if one not in entities}
    assert dangling == {"https://w3id.org/ro/crate/1.1"}


def test_the_wheel_is_one_that_pip_takes_and_it_verifies_alone(windows: Path, tmp_path: Path) -> None:
    """Installed offline into an empty folder; its dependencies are those of this environment."""
    files = read_all(windows)
    (name,) = [one for one in files if one.endswith(".whl")]
    (tmp_path / name).write_bytes(files[name])
    with zipfile.ZipFile(tmp_path / name) as wheel:
        (record,) = [one for one in wheel.namelist() if one.endswith("RECORD")]
        lines = list(csv.reader(io.StringIO(wheel.read(record).decode())))
        assert [line[0] for line in lines].count(record) == 1
        assert {line[0] for line in lines} == set(wheel.namelist())
        for path, digest, size in lines:
            content = wheel.read(path)
            if path != record:
                made = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={made}", str(len(content)))
        (metadata,) = [one for one in wheel.namelist() if one.endswith("METADATA")]
        needed = re.findall(r"^Requires-Dist: ([^;\n]+)$", wheel.read(metadata).decode(), re.MULTILINE)
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
        assert sorted(needed) == sorted(project["dependencies"])
        assert {"ablate/studies/published.json", "ablate/py.typed", "ablate/bundle/reviewer/verify.py"} <= {
            line[0] for line in lines
        }
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(site), str(tmp_path / name)], check=True, capture_output=True)
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "ablate", "verify", str(windows)], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("equal: ")


def test_the_script_in_it_needs_nothing_of_ablate(windows: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(windows) as archive:
        archive.extractall(tmp_path)
    blocked = "import sys; sys.modules['ablate'] = sys.modules['pydantic'] = None; import runpy; runpy.run_path"
    code = f"{blocked}('verify.py', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("equal: ")


@pytest.mark.parametrize("measured", [True, False])
def test_the_same_results_give_the_same_bytes(tmp_path: Path, measured: bool) -> None:
    paths = [write(tmp_path / name, results_of(STUDY), measured=measured) for name in ("a.zip", "b.zip")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_times_and_memory_are_left_out_if_asked(tmp_path: Path) -> None:
    files = read_all(write(tmp_path / "out.zip", results_of(STUDY), measured=False))
    assert "train_s" not in files["table.json"].decode()
    facts = json.loads(files["provenance.json"])
    assert facts["measured"] == {}
    assert {one["train_s"] for one in facts["trials"].values()} == {None}


SUPERUSER = "root"
"""Its home folder is not below /home."""


def test_no_home_user_host_or_token_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "correct-horse-battery")
    lost = {("window 1x1", 0): "failed", ("window 5x5", 1): "diverged"}
    results = results_of(STUDY, lambda plan: draw_records(plan, lost=lost))
    key = next(iter(results.records))
    results = replace(results, logs={key: f"{TRACE}\ncorrect-horse-battery in {Path.cwd()}"})
    files = read_all(write(tmp_path / "out.zip", results))
    whole = b"\n".join(content for name, content in files.items() if not name.endswith((".whl", ".py")))
    text = whole.decode("utf-8", "replace")
    home, host = str(Path.home()), socket.gethostname()
    for secret in (home, "/home/someone", TOKEN, "secret@", "correct-horse", str(Path.cwd()), f"/{SUPERUSER}/"):
        assert secret not in text, secret
    if len(host) > 2:
        assert not re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", text)
    if len(getpass.getuser()) > 4:
        assert f"/{getpass.getuser()}/" not in text
    assert "it failed in ~/work" in text
    assert verify(tmp_path / "out.zip").is_equal, "a reason without a home folder is the same in table and provenance"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/home/ada/x.py", "~/x.py"),
        ("File '/Users/ada/x.py'", "File '~/x.py'"),
        (r"C:\Users\ada\x.py", r"~\x.py"),
        (f"/{SUPERUSER}/x", "~/x"),
        (f"a/{SUPERUSER}/x", f"a/{SUPERUSER}/x"),
        ("https://ada:pw@example.org/x", "https://***@example.org/x"),
        ("Bearer abcdefgh12345", "Bearer ***"),
        ("hf_abcdefghijkl", "***"),
        ("/somewhere/else/x and /somewhere/elsewhere", "~/x and /somewhere/elsewhere"),
        ("loss is NaN at step 3", "loss is NaN at step 3"),
    ],
)
def test_what_is_removed_from_a_text(given: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere/else")
    assert Scrubber()(given) == expected


def test_a_study_without_a_result_is_refused() -> None:
    plan = plan_document(STUDY)
    results = replace(results_of(STUDY), plan=plan, records={})
    with pytest.raises(BundleError, match="has no result yet"):
        bundle_files(results, lambda sentence: None)


def test_the_code_of_an_installed_task_is_in_it_and_its_digest_is_checked(chain: Path, tmp_path: Path) -> None:
    document = {
        "name": "chains", "seeds": 4, "base": {"task": "chain", "backbone": {}},
        "rows": [{"label": label, "set": {"backbone": {"level": level}}} for label, level in (("A", 5.0), ("B", 6.0))],
    }  # fmt: skip
    path = write(tmp_path / "out.zip", results_of(document))
    files = read_all(path)
    assert files["code/chain/chain_tasks.py"] == (chain / "chain_tasks.py").read_bytes()
    found = verify(path)
    assert found.is_equal, (found.problems, found.differences)
    assert any("not a built-in one" in one for one in found.remarks)
