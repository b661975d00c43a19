"""Version and folder of this ablate. The package is imported by name, since its `__init__` knows every other room."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

_package = import_module("ablate")
VERSION: str = _package.__version__
ROOT = Path(str(_package.__file__)).parents[1]
"""Folder that contains the packages `ablate` and `service`."""
