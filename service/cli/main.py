"""The console script `ablate`: the commands of the library, and the commands of the service, which speak REST.

Heavy imports are inside the commands. Exit status: as for the library's commands; 1 also if a study that was waited for
ended with holes or was cancelled, if a trial that was trained again differs, if `today` needs a person, if
`selftest` finds more false effects than expected, or if `doctor` finds what must be mended; 3 if the service cannot be
reached.
"""

from __future__ import annotations

import sys

from ablate.cli.app import main
from service.cli import (  # noqa: F401 - each adds its commands
    bundle,
    compare,
    doctor,
    files,
    ledger,
    paper,
    plots,
    schedules,
    selftest,
    serve,
    studies,
    today,
    trials,
)

__all__ = ["main"]

if __name__ == "__main__":
    main(sys.argv[1:])
