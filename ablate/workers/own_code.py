"""Which code the processes of ablate import: this installation's, whatever lies in the working directory.

Python puts the working directory, or the folder of a script, at the head of the import path. A file `queue.py` there
would replace the module of the standard library, and a package `service` on PYTHONPATH would replace ours. So
`ablate` and `service` are imported from this installation, before anything else, and the working directory comes last:
a task of the user may be found in it, but it hides no other module.

The command imports this module first, so it imports only what Python itself has imported at its start.
"""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that contains `ablate` and `service`."""
PACKAGES = ("ablate", "service")


def import_path() -> list[str]:
    """The import path of this process with absolute folders, for its children; the working directory comes last."""
    try:
        here = os.getcwd()
    except FileNotFoundError:  # it was removed
        return [folder for folder in sys.path if os.path.isabs(folder)]
    folders = [os.path.abspath(folder) for folder in sys.path]
    others = [folder for folder in folders if folder == ROOT or os.path.realpath(folder) != here]
    return others if len(others) == len(folders) else [*others, here]


def import_own() -> None:
    """Import the packages of this installation, so that no other package of their names is found later."""
    for name in PACKAGES:
        spec = PathFinder.find_spec(name, [ROOT])
        if name not in sys.modules and spec is not None and spec.loader is not None:
            sys.modules[name] = module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])


def arguments_for(statements: str) -> list[str]:
    """Arguments of a Python that executes statements, and imports from the same folders as this process."""
    path = import_path()
    return [
        "-c",
        f"import sys\nsys.path[:] = {[ROOT, *path]!a}\nfrom ablate.workers import own_code\nown_code.import_own()\n"
        f"sys.path[:] = {path!a}\n{statements}",
    ]
