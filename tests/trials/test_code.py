"""The digest of a task's code covers what the task imports, and is the same wherever it is computed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablate.trials.code import code_files, digest_of_code

Write = Callable[[dict[str, str]], Path]

OWN = {
    "own_code.py": "import json, numpy, pydantic\nfrom ablate.trials import task\nimport helper_code\n"
    "def run():\n    from lab.train import loop\n",
    "helper_code.py": "import importlib\nlate = importlib.import_module('late_code')\nimport not_there\n",
    "late_code.py": "import own_code\n",
    "lab/__init__.py": "",
    "lab/unused.py": "x = 1\n",
    "lab/train/__init__.py": "from .. import noise\n",
    "lab/train/loop.py": "from ..steps import *\ndef def\n",
    "lab/noise.py": "import plain.part\n",
    "lab/steps/__init__.py": "__all__ = ['one']\n",
    "lab/steps/one.py": "",
    "plain/part.py": "import helper_code\n",
    "site-packages/installed_code.py": "",
}
"""A task and what it imports: in functions, relative, by `*`, by name, from a folder without `__init__`."""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes files into a folder from which Python imports."""

    def put(files: dict[str, str]) -> Path:
        root = tmp_path / "code"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(str(root / "site-packages"))
        monkeypatch.syspath_prepend(str(root))
        importlib.invalidate_caches()
        monkeypatch.setitem(sys.modules, "own_code", _module(root / "own_code.py"))
        return root

    yield put
    sys.modules.pop("own_code", None)


def _module(path: Path) -> object:
    """A module that knows its file and was not run, so that nothing it imports was imported."""
    path = path if path.exists() else path.parent / "own_code" / "__init__.py"
    spec = importlib.util.spec_from_file_location("own_code", path)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


def digest() -> str:
    return digest_of_code(code_files("own_code"))


COVERED = [
    "@imported/helper_code.py", "@imported/lab/__init__.py", "@imported/lab/noise.py",
    "@imported/lab/steps/__init__.py", "@imported/lab/steps/one.py", "@imported/lab/train/__init__.py",
    "@imported/lab/train/loop.py", "@imported/late_code.py", "@imported/plain/part.py", "own_code.py",
]  # fmt: skip


def test_every_module_that_a_task_imports_from_its_users_code_is_covered(write: Write) -> None:
    write(OWN | {"lab/train/loop.py": "from ..steps import *\nimport installed_code\n"})
    assert [name for name, _ in code_files("own_code")] == COVERED


@pytest.mark.parametrize("name", COVERED)
def test_an_edit_of_covered_code_changes_the_digest(write: Write, name: str) -> None:
    root, path = write(OWN | {"lab/train/loop.py": "from ..steps import *\n"}), name.removeprefix("@imported/")
    before = digest()
    with (root / path).open("a") as file:
        file.write("# another\n")
    assert digest() != before


@pytest.mark.parametrize("name", ["lab/unused.py", "site-packages/installed_code.py"])
def test_an_edit_of_other_code_leaves_the_digest(write: Write, name: str) -> None:
    root = write(OWN)
    before = digest()
    (root / name).write_text("another\n")
    assert digest() == before


def test_a_module_that_cannot_be_parsed_is_covered_itself(write: Write) -> None:
    write(OWN)
    names = [name for name, _ in code_files("own_code")]
    assert "@imported/lab/train/loop.py" in names
    assert "@imported/lab/steps/one.py" not in names


def test_code_that_imports_nothing_of_its_users_keeps_the_digest_of_earlier_versions(write: Write) -> None:
    write({"own_code.py": "import json\nimport numpy\n"})
    assert digest() == "00f6c1ccbfe1fd7d"


def test_a_package_that_imports_only_itself_keeps_the_digest_of_earlier_versions(write: Write) -> None:
    write({"own_code/__init__.py": "from own_code.sub import a\n", "own_code/sub/a.py": "from .. import b\n"})
    assert digest() == "c7f818c077b077c7"


def test_the_digest_is_the_same_in_another_process_folder_and_after_the_imports(write: Write, tmp_path: Path) -> None:
    write(OWN | {"lab/train/loop.py": "", "helper_code.py": "", "lab/noise.py": ""})
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "code").rename(elsewhere)
    write(OWN | {"lab/train/loop.py": "", "helper_code.py": "", "lab/noise.py": ""})
    program = (
        f"import sys; sys.path[:0] = [{str(elsewhere)!r}]; import own_code, lab.train.loop\n"
        "from ablate.trials.code import code_files, digest_of_code; print(digest_of_code(code_files('own_code')))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert found.stdout.strip() == digest()
