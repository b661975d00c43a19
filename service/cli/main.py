"""The console script `ablate`: the library's commands, and those of the service, which speak REST.

Heavy imports stay inside the commands. Exit status: as the library's; 1 where a study that was waited for ended with
holes or cancelled, a trial that was trained again differs, or `today` needs a person, 3 where the service cannot be
reached.
"""

from __future__ import annotations

import sys

from ablate.cli.app import main
from service.cli import paper, schedules, serve, studies, trials  # noqa: F401 - each adds its commands

__all__ = ["main"]

if __name__ == "__main__":
    main(sys.argv[1:])
