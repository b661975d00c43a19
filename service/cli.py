"""The console script `ablate`: the library's commands, to which the service adds its own."""

from __future__ import annotations

from ablate.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
