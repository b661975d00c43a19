"""What the READMEs tell a reader to type works: TOML is planned, commands are parsed, the cheap ones are run.

A TOML block is a whole study, or a snippet: it begins with `# snippet: TITLE` and is merged into a study of `SNIPPETS`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ablate.cli.app import app
from ablate.study.plan import plan_document
from ablate.study.text import read_document
from ablate.tasks.command.bind import with_command
from service.cli import main as _service_commands  # noqa: F401 - adds the service's commands to the app
from tests.debian import need
from tests.service.processes import Running, install_task, serving

ROOT = Path(__file__).parents[1]
READMES = sorted(
    path
    for folder in (
        ".",
        "ablate",
        "service",
        "studies",
        "studies/measured",
        "studies/own",
        "tests",
        ".github",
        "benchmarks",
    )
    for path in (ROOT / folder).glob("*.md")
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
LANGUAGES = {"sh", "toml", "python", "text"}
PROGRAMS = {"ablate", "curl", "git", "make", "pdflatex", "pip", "pre-commit", "printf", "python", "source"}
INLINE = {"ABLATE_DISPATCHER": "inline", "ABLATE_TRACKING_URI": "off", "ABLATE_WORKERS": "2"}
SEPARATORS = {";", "|", "||", "&&", "(", ")"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a README."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """The blocks in these languages, of every README; in any language if none is named."""
    found = []
    for path in READMES:
        text = path.read_text("utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(path, line, match[1], match[2]))
    return [block for block in found if not languages or block.language in languages]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, word by word, without comments, redirections, variables and the words of loops."""
    for line in _lines(text):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in SEPARATORS:
                words.append(word)
                continue
            yield from filter(None, [_command(words)])
            words = []


def _lines(text: str) -> Iterator[str]:
    """Lines of a shell block; a quotation or a backslash at the end joins a line to the next."""
    line = ""
    for part in text.splitlines():
        line += part + "\n"
        if part.endswith("\\"):
            line = line.removesuffix("\\\n") + " "
        elif _is_closed(line):
            yield line
            line = ""
    assert not line, f"a quotation is not closed: {line}"


def _is_closed(line: str) -> bool:
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True


def _command(words: list[str]) -> list[str]:
    while words and (words[0] in ("do", "done") or re.fullmatch(r"\w+=\S*", words[0])):
        words = words[1:]
    if words and words[0] == "for":
        return []
    return words[: words.index(">")] if ">" in words else words


SHELL = [(block, words) for block in blocks("sh") for words in commands(block.text)]
ABLATE = [(block, words[1:]) for block, words in SHELL if words[0] == "ablate"]


def parse(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Parse a command of ablate as typer does, and run nothing. Its name, and its parameters."""
    command: Any = typer.main.get_command(app)
    name = "ablate"
    while hasattr(command, "commands"):
        name, arguments = arguments[0], arguments[1:]
        assert name in command.commands, f"no such command: {name}"
        command = command.commands[name]
    return name, command.make_context(name, list(arguments)).params


def table07() -> dict[str, Any]:
    document: dict[str, Any] = read_document(ROOT / "studies" / "table07.toml")  # type: ignore[assignment]
    return document


SNIPPETS = {
    "data sets as columns": lambda: {"name": "snippet", "seeds": 2},
    "removing one component at a time": lambda: {"name": "snippet", "seeds": 2, "base": {"dataset": "digits"}},
    "how a study decides": table07,
    "what a schedule trains again": table07,
    "a script of your own": lambda: {"name": "snippet", "seeds": 2},
    "what a study may use": lambda: {
        "name": "snippet",
        "seeds": 2,
        "base": {"dataset": "digits"},
        "rows": [{"label": "A"}],
    },
}
"""Title of a snippet -> the study that it is merged into."""


def test_blocks_name_their_language() -> None:
    assert [str(block) for block in blocks() if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_toml_block_is_a_study_that_can_be_planned(block: Block) -> None:
    document = tomllib.loads(block.text)
    title = re.match(r"# snippet: (.+)", block.text)
    if title:
        document = SNIPPETS[title[1]]() | document
    plan = plan_document(with_command(document, ROOT / "studies/own/features"))
    assert plan.rows
    assert plan.trials


@pytest.mark.parametrize(("block", "words"), SHELL, ids=lambda value: str(value) if isinstance(value, Block) else "")
def test_a_shell_block_names_programs_that_exist(block: Block, words: list[str]) -> None:
    assert words[0] in PROGRAMS, f"{block}: {' '.join(words)}"
    if words[0] == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets)  # NAME=VALUE sets a variable
    if words[:2] == ["python", "-m"]:
        assert (ROOT / Path(*words[2].split("."))).exists() or words[2] in ("pytest", "venv", "pip", "ablate")


@pytest.mark.parametrize(("block", "words"), ABLATE, ids=lambda value: str(value) if isinstance(value, Block) else "")
def test_a_command_in_a_readme_has_the_arguments_and_options_that_typer_knows(block: Block, words: list[str]) -> None:
    name, parameters = parse(words)
    for study in [parameters.get("study"), *(parameters.get("studies") or ())]:
        if study is not None and Path(study).parent != Path():
            assert (ROOT / study).exists(), f"{block}: {study}"
    assert name


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(Exception, match="--sedes"):
        parse(["run", "digits.toml", "--sedes", "3"])


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_of_a_readme_exist(path: Path) -> None:
    for target in LINK.findall(BLOCK.sub("", path.read_text("utf-8"))):
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{path}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}, target


def test_the_first_page_is_read_in_three_minutes() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 130


def test_no_text_installs_the_other_project_of_our_name() -> None:
    wrong = re.compile(r"pip install ['\"]?ablate\b")
    files = [*READMES, ROOT / "pyproject.toml", ROOT / "Makefile"]
    for folder in ("ablate", "service", "studies", "benchmarks", ".ci"):
        files += [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".toml", ".html", ".js", "")]
    texts = {path: path.read_text("utf-8") for path in files if path.is_file()}
    assert len(texts) > 200
    assert [str(path) for path, text in texts.items() if wrong.search(text)] == []


def write_digits(folder: Path) -> Path:
    """The README's study in a folder, with one seed and few steps."""
    (block,) = (block for block in blocks("toml") if block.path == ROOT / "README.md")
    text = block.text.replace("seeds = 5", "seeds = 1").replace("steps = 60", "steps = 4")
    assert "seeds = 1" in text
    assert "steps = 4" in text
    path = folder / "digits.toml"
    path.write_text(text, "utf-8")
    return path


def environment(folder: Path) -> dict[str, str]:
    """Variables for a command that is run in its own folder."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "ABLATE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["check", "run"])
def test_the_commands_of_the_first_page_print_a_table_with_its_rows(tmp_path: Path, verb: str) -> None:
    write_digits(tmp_path)
    ((_, words),) = ((block, words) for block, words in ABLATE if block.path == ROOT / "README.md" and words[0] == verb)
    command = [sys.executable, "-m", "service.cli.main", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for activation in ("relu", "swish", "frelu"):
        assert f"activation={activation}" in done.stdout
    if verb == "run":
        assert (tmp_path / "ablate-out" / "digits-base" / "table.tex").exists()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("readmes")
    with serving(folder / "home", install_task(folder / "site"), **INLINE) as running:
        yield running


CURL = [block for block in blocks("sh") if "curl" in block.text]


@pytest.mark.slow
@pytest.mark.parametrize("block", CURL, ids=str)
def test_a_block_of_curl_calls_is_answered_by_a_real_service(block: Block, running: Running) -> None:
    study_id = ""
    answers = []
    for words in commands(block.text):
        words = [word.replace("localhost:8080", running.client.url.removeprefix("http://")) for word in words]
        words = [word.replace("/ID/", f"/{study_id}/") for word in words]
        command = [words[0], "--silent", "--show-error", "--fail-with-body", "--max-time", "120", *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{block}: {words}: {done.stdout}{done.stderr}"
        answers.append(done.stdout)
        if found := re.search(r'"id":\s*"([^"]+)"', done.stdout):
            study_id = study_id or found[1]
    assert study_id
    table, events = answers[1], answers[2]
    assert "FReLU" in table
    assert "event: done" in events


PYTHON = blocks("python")


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_python_block_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_python_block_runs(block: Block, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = block.text
    if "Client(" in text:
        running: Running = request.getfixturevalue("running")
        text = text.replace("http://127.0.0.1:8080", running.client.url)
    study = write_digits(tmp_path)
    (tmp_path / "mine.toml").write_text(study.read_text("utf-8"), "utf-8")
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_commands_of_a_paper_end_with_a_pdf_of_two_columns_in_which_nothing_is_too_wide(tmp_path: Path) -> None:
    need("texlive-latex-recommended")
    (block,) = (block for block in blocks("sh") if "pdflatex" in block.text)
    write_digits(tmp_path).rename(tmp_path / "mine.toml")
    text = block.text.replace("mine-base", "digits-base")
    variables = environment(tmp_path)
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    done = subprocess.run(["sh", "-ec", text], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert not re.findall(r"Overfull .hbox|LaTeX Warning: Reference", (tmp_path / "paper.log").read_text("latin-1"))
