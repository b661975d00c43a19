"""The command `ablate`, also as `python -m ablate`: and the commands of the service where it is installed."""

import sys
from importlib import import_module

from ablate.workers import own_code


def main() -> None:
    """Run the command with the code of this installation, whatever lies in the working directory or on PYTHONPATH."""
    own_code.import_own()
    sys.path[:] = own_code.import_path()
    # By name, since the library imports nothing of the service.
    import_module("service.cli.main" if "service" in sys.modules else "ablate.cli.app").main()


if __name__ == "__main__":
    main()
