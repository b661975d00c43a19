"""The code of a script: which files it is, its digest, and a copy that later edits do not change.

A snapshot is stored once for each content, under its digest. A trial lays it out in a folder of its own; what lies
beside the files and is not part of them, such as `data/`, is in `ablate.tasks.command.shared`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ablate.errors import TrialError, quote
from ablate.statistics.words import counted
from ablate.tasks.command.shared import ENVIRONMENTS, NOT_CODE, OUTPUTS, Shared, is_results

MAX_SNAPSHOT_BYTES = 50 << 20
CONFIGS = frozenset({".py", ".yaml", ".yml", ".ini", ".cfg", ".gin", ".sh"})
"""Endings of files that decide a result although git does not track them."""
NOT_LINKED = NOT_CODE - {*ENVIRONMENTS}
"""Names beside the code that a trial does not see; virtual environments are linked, since scripts call them."""


@dataclass(frozen=True, slots=True)
class Code:
    """The files that decide a result.

    Attributes:
        root: folder that contains them all.
        folder: folder of the study's file, in which the command runs, relative to `root`.
        files: their paths, relative to `root`, sorted.
    """

    root: Path
    folder: Path
    files: tuple[Path, ...]

    def digest(self) -> str:
        """See `digest_of_files`."""
        paths = ((path, self.root / path) for path in self.files)
        files = ((path.as_posix(), os.access(file, os.X_OK), file.read_bytes()) for path, file in paths)
        return digest_of_files(self.folder.as_posix(), files)

    def copy_to(self, target: Path) -> None:
        """Copy the files into a new folder."""
        for path in self.files:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.root / path, target / path)


def digest_of_files(folder: str, files: Iterable[tuple[str, bool, bytes]]) -> str:
    """SHA-256 of names, contents, whether each file can be executed, and where the command runs.

    Args:
        folder: see `Code`.
        files: path, whether it can be executed, content; sorted by the parts of the path.
    """
    found = hashlib.sha256(f"{folder}\0".encode())
    for path, can_run, content in files:
        found.update(f"{path}\0{'x' if can_run else '-'}{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def find_code(folder: Path, script: Path | None, patterns: Sequence[str] | None, outputs: Sequence[str] = ()) -> Code:
    """The files that decide the result of a command.

    Args:
        folder: absolute folder of the study's file.
        script: absolute path of the script; None if the command names no file, such as `python -m package`.
        patterns: of `[command] code`, relative to `folder`; None for the default.
        outputs: patterns of files that the command writes, relative to `folder`; they are not code.

    Raises:
        TrialError: a pattern matches nothing, or the files are larger than 50 MB.
    """
    home = script.parent if script is not None else folder
    root = Path(os.path.commonpath([folder, home]))
    files = set(_by_default(home)) if patterns is None else set(_by_patterns(folder, patterns))
    files = {path for path in files if not is_output(Path(os.path.relpath(path, folder)), outputs)}
    if script is not None:
        files.add(script)
    outside = next((path for path in sorted(files) if not path.is_relative_to(root)), None)
    if outside is not None:
        root = Path(os.path.commonpath([root, *files]))
    _check_size(root, files)
    return Code(root, folder.relative_to(root), tuple(sorted(path.relative_to(root) for path in files)))


def _by_default(home: Path) -> Iterator[Path]:
    """What git tracks below a folder, and new files of code; without git, all files of code there.

    The study files of ablate are not code: a new row changes no result. Of the files that git ignores, those of code
    count that do not lie in a folder that is ignored as a whole, such as an environment.
    """
    tracked = _of_git(home, "--cached", "--recurse-submodules")
    if tracked is None:
        yield from (path for path in _walk(home) if _is_code(path, home))
        return
    new = [*(_of_git(home, "--others", "--exclude-standard") or ())]
    new += _of_git(home, "--others", "--ignored", "--exclude-standard", "--directory") or ()
    found = [path for path in tracked if not is_study(path)] + [path for path in new if _is_code(path, home)]
    results = {folder for folder in {parent for path in found for parent in path.parents} if is_results(folder)}
    yield from (path for path in found if not results & {*path.parents})


def _is_code(path: Path, home: Path) -> bool:
    """Whether a file that git does not track decides a result; configurations that earlier runs wrote do not."""
    is_written = bool(OUTPUTS & {*path.relative_to(home).parts[:-1]})
    return path.suffix == ".py" or (path.suffix in CONFIGS and not is_written)


def is_study(path: Path) -> bool:
    """Whether a file is a study file of ablate with a `[command]`."""
    return path.suffix == ".toml" and bool(re.search(rb"^\s*\[command[\].]", path.read_bytes(), re.MULTILINE))


def is_output(path: Path, patterns: Iterable[str]) -> bool:
    """Whether a path, relative to the folder of a command, is one that the command writes, or a folder of such."""
    for pattern in map(PurePath, patterns):
        if path.match(str(pattern)) and len(path.parts) == len(pattern.parts):
            return True
        above = pattern.parts[: len(path.parts)]
        if len(above) < len(pattern.parts) and path.parts == above:
            return True
    return False


def _of_git(home: Path, *options: str) -> list[Path] | None:
    """The files that git lists below a folder; None if the folder belongs to no repository, or git is missing."""
    command = ["git", "-C", str(home), "ls-files", "-z", *options]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    paths = (home / os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def _by_patterns(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        try:
            every = f"{pattern}/*" if pattern.endswith("**") else pattern  # before Python 3.13, `**` is folders alone
            found = [path for path in sorted(folder.glob(every)) if path.is_file() and not NOT_CODE & {*path.parts}]
        except (ValueError, NotImplementedError) as error:
            raise TrialError(f"code: {quote(pattern)} is not a pattern below the study's folder: {error}") from error
        if not found:
            raise TrialError(f"code: no file matches {quote(pattern)}; patterns are relative to the study's file")
        yield from (Path(os.path.normpath(path)) for path in found)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _may_have_code(Path(place, name)))
        yield from (Path(place, name) for name in sorted(files))


def _may_have_code(folder: Path) -> bool:
    is_environment = (folder / "pyvenv.cfg").exists()
    return folder.name not in NOT_CODE and not is_environment and not is_results(folder)


def _check_size(root: Path, files: Iterable[Path]) -> None:
    sizes = {path: path.stat().st_size for path in files}
    total = sum(sizes.values())
    if total > MAX_SNAPSHOT_BYTES:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        shown = ", ".join(f"{path.relative_to(root)} ({sizes[path] / 1e6:.0f} MB)" for path in largest)
        raise TrialError(
            f"the code is {counted(len(sizes), 'file')} of {total / 1e6:.0f} MB, above the limit of "
            f"{MAX_SNAPSHOT_BYTES >> 20} MB; the largest are {shown}. Name the files that decide the result as 'code' "
            "in [command]; what lies beside them is linked"
        )


def store(code: Code, target: Path, documents: Mapping[str, str]) -> None:
    """Keep a copy of the code in a folder, with some texts beside it; nothing is done if the folder is there.

    Args:
        code: the files.
        target: folder of the snapshot, which gets `files/`.
        documents: name of a file -> its text.
    """
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        (made / "files").mkdir()
        code.copy_to(made / "files")
        for name, text in documents.items():
            (made / name).write_text(text, encoding="utf-8")
        made.rename(target)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not target.exists():  # else another process has just stored the same
            raise


def files_below(folder: Path) -> list[str]:
    """The files in a folder and below it, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def lay_out(files: Path, original: Path | None, target: Path, is_written: Callable[[Path], bool]) -> Shared:
    """Put the code of a snapshot into a trial's folder, as the script expects it; an earlier attempt's stays.

    Args:
        files: the files of the snapshot.
        original: folder from which they were copied; what lies beside them there is shared. None shares nothing.
        target: folder of the trial.
        is_written: whether a path, relative to `files`, is one that the script writes; such are not shared.

    Returns:
        What lies beside the code, watched.
    """
    shared = Shared(files.parents[2].resolve())
    homes = Path.home(), Path(tempfile.gettempdir())
    above = {one for home in homes for one in (home, *home.parents)}  # of a script far from its study's file
    for place, folders, names in os.walk(files):
        inside = Path(place).relative_to(files)
        there = target / inside
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (there / name).exists():
                shutil.copy(Path(place, name), there / name)
        beside = original / inside if original is not None else None
        if beside is not None and beside.is_dir() and (names or beside not in above):
            for one in beside.iterdir():
                is_ours = one.name in {*folders, *names, *NOT_LINKED} or (one.is_dir() and is_results(one))
                is_ours |= is_written(inside / one.name) or (one.name in OUTPUTS and one.is_dir())
                if not is_ours:
                    shared.add(one, there / one.name)
    shared.watch()
    return shared
