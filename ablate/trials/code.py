"""The code of an installed task: the files whose digest enters the keys of its trials.

These are the task's own file, or every `.py` file of its top-level package, and every module that this code imports,
directly or through other modules, from outside site-packages, the standard library and ablate. Imports are read from
the source and never run, so the answer is the same on every machine, in every process, and whatever was imported
before. It has imports inside functions and `import_module("name")` with a literal name. It does not have modules whose
names are computed, compiled extensions, files that are no Python code, and installed packages, which the digest of the
environment covers.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path, PurePosixPath

from ablate.errors import TrialError

IMPORTED = "@imported/"
"""Begins the name of a file that does not belong to the task's own package."""
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages."""
OWN = ("ablate", "service")
"""The packages of ablate, whose semantics version is in every key."""


def code_files(module: str) -> list[tuple[str, bytes]]:
    """Name and content of the files of a task's code, in the order in which they enter its digest.

    Files of the task's own package are named within it. An imported one is named as it is imported, below `IMPORTED`.

    Args:
        module: dotted name of the module with the task.

    Raises:
        TrialError: the code is not in a file, or in a package with an `__init__.py`.
    """
    top = module.split(".")[0]
    package = sys.modules.get(top) or import_module(top)
    if package.__file__ is None:
        raise TrialError(f"the code of {module} is not in a file, or in a package with an __init__.py")
    file = Path(package.__file__)
    if file.name != "__init__.py":
        found = {file.name: file.read_bytes()}
        imported = _imported(top, {top: found[file.name]})
    else:
        found = {path.relative_to(file.parent).as_posix(): path.read_bytes() for path in file.parent.rglob("*.py")}
        imported = _imported(top, {_dotted(top, name): source for name, source in found.items()})
    return sorted({**found, **imported}.items(), key=lambda file: PurePosixPath(file[0]))


def digest_of_code(files: Iterable[tuple[str, bytes]]) -> str:
    """First 16 digits of the SHA-256 of the files of a task's code."""
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0".encode() + content + b"\0")
    return digest.hexdigest()[:16]


def _dotted(top: str, name: str) -> str:
    """The module in a file of a package; `pkg.__init__` for a package itself, so that relative imports are known."""
    return ".".join([top, *PurePosixPath(name).with_suffix("").parts])


def _imported(top: str, sources: dict[str, bytes]) -> dict[str, bytes]:
    """The files that some modules import from elsewhere, directly or not.

    Args:
        top: package of the task, whose files are known already.
        sources: dotted name of a module -> its source; a package is named `PACKAGE.__init__`.
    """
    found: dict[str, bytes] = {}
    seen: set[str] = set()
    pending = list(sources.items())
    while pending:
        module, source = pending.pop()
        for wanted in _imports(module, source):
            if wanted in seen or wanted.split(".")[0] == top:
                continue
            seen.add(wanted)
            file = _file_of(wanted)
            if file is not None:
                is_package = file.name == "__init__.py"
                name = wanted.replace(".", "/") + ("/__init__.py" if is_package else ".py")
                found[IMPORTED + name] = file.read_bytes()
                pending.append((f"{wanted}.__init__" if is_package else wanted, found[IMPORTED + name]))
    return found


def _imports(module: str, source: bytes) -> Iterator[str]:
    """Every module that a source may import, with the packages around it; some names may be none."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return  # it cannot be imported either
    for node in nodes:
        for name in _names(node, module.split(".")[:-1]):
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _names(node: ast.AST, package: list[str]) -> Iterator[str]:
    """The modules that a node imports, by absolute names; `package` is that of the module with the node."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        around = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*around, *([node.module] if node.module else [])])
        if base:
            yield base
            for alias in node.names:
                yield from _submodules(base) if alias.name == "*" else [f"{base}.{alias.name}"]
    elif isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        given = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if name in ("import_module", "__import__") and isinstance(given, str) and given.strip("."):
            level = len(given) - len(given.lstrip("."))
            around = package[: len(package) - level + 1] if level else []
            yield ".".join([*around, given.lstrip(".")])


def _submodules(package: str) -> list[str]:
    """The modules directly in a package, which `from package import *` may import."""
    spec = _spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    stems = {file.stem for folder in folders for file in Path(folder).glob("*.py")} - {"__init__"}
    return [f"{package}.{stem}" for stem in sorted(stems)]


def _file_of(module: str) -> Path | None:
    """The source file of a module; None if there is none, or if it is not the user's own code."""
    spec = _spec(module)
    if spec is None or spec.origin is None or not spec.has_location or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    return file if file.is_file() and _is_users_own(file) else None


def _is_users_own(file: Path) -> bool:
    places = (file, file.resolve())
    is_elsewhere = any(place.is_relative_to(folder) for place in places for folder in _other_folders())
    return not is_elsewhere and not INSTALLED & set(file.parts)


@cache
def _other_folders() -> tuple[Path, ...]:
    """The folders of the standard library, of installed packages and of ablate."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [*(Path(sysconfig.get_path(name)) for name in names), *(Path(__file__).parents[2] / name for name in OWN)]
    return tuple({*folders, *(folder.resolve() for folder in folders)})


def _spec(module: str) -> ModuleSpec | None:
    """Where a module would be imported from, without importing it or anything around it."""
    parent, _, _ = module.rpartition(".")
    if not parent:
        finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
        return next((spec for finder in finders if (spec := finder.find_spec(module, None))), None)
    around = _spec(parent)
    if around is None or around.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, list(around.submodule_search_locations))
