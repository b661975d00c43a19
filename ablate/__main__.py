"""`python -m ablate`: the command `ablate`, with the commands of the service where that package is installed."""

from importlib import import_module
from importlib.util import find_spec

if __name__ == "__main__":
    # By name, since the library imports nothing of the service.
    import_module("service.cli.main" if find_spec("service") else "ablate.cli.app").main()
