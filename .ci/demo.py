"""`make demo`: four activations in a small ResNet, over REST; on a terminal it keeps serving until Ctrl-C."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablate.remote.client import Client
from ablate.statistics.decisions.row_comparison import clopper_pearson
from service.address import find_address
from service.settings import read_settings

ABLATE = [sys.executable, "-m", "service.cli.main"]
LOG = Path("demo/service.log")
MEASURED = Path("studies/measured/demo-sets.csv")
"""What `benchmarks.demo_sets` measured: the demo with other seeds."""
START_S = 180.0
NEXT = """
The table is in demo/table.md, .html and .tex, the plot in demo/forest.pdf. Next, while `ablate serve` runs:
  .venv/bin/ablate compare demo FReLU PReLU                       # any two rows, seed by seed
  .venv/bin/ablate plot demo forest --width 3.25in --no-title     # a plot for one column of a paper
  .venv/bin/ablate submit studies/table05.toml --seeds 8 --wait   # a table of the FReLU paper, in about ten minutes"""
SERVING = "\nThe page: {url}/   REST: {url}/api/v1   MLflow: {url}/mlflow/   until Ctrl-C."


def main() -> int:
    """Run the demo. Returns the exit status."""
    Path("demo").mkdir(exist_ok=True)
    subprocess.run([*ABLATE, "data", "fetch", "fashion-mnist"], check=True, stdout=subprocess.DEVNULL)
    status = 130  # if Ctrl-C comes before the study is done
    with service() as (url, process):
        command = [*ABLATE, "submit", "studies/demo.toml", "--wait", "--url", url]
        status = subprocess.run(command).returncode
        if status in (0, 1):
            subprocess.run(
                [*ABLATE, "table", "demo", "--out", "demo", "--url", url], check=True, stderr=subprocess.DEVNULL
            )
            print(other_sets(MEASURED), flush=True)
            print(NEXT, flush=True)
        if process is not None and sys.stdout.isatty() and not os.environ.get("DEMO_STOP"):
            print(SERVING.format(url=url), flush=True)
            process.wait()
    return status


def other_sets(file: Path) -> str:
    """How often the rows were decided on other seeds, each set of seeds in an empty home."""
    with file.open(newline="", encoding="utf-8") as stream:
        decisions = {(line["row"], line["set"]): line["decision"] for line in csv.DictReader(stream)}
    sentences = []
    for row in dict.fromkeys(row for row, _ in decisions):
        found = [decision for (label, _), decision in decisions.items() if label == row]
        better = found.count("better")
        low, high = clopper_pearson(better, len(found))
        if "baseline" not in found:
            interval = f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"
            sentences.append(f"{row} was better in {better} of {len(found)} ({interval})")
    return f"On other sets of eight seeds, measured before: {'; '.join(sentences)}."


@contextmanager
def service() -> Iterator[tuple[str, subprocess.Popen[bytes] | None]]:
    """The address of a service that is ready: one that already runs, else a new one that is ended after the block."""
    home = read_settings().home
    if url := find_address(home):
        print(f"using the service that already runs at {url}", file=sys.stderr)
        yield url, None
        return
    print(f"starting the service; its log is {LOG}", file=sys.stderr)
    with LOG.open("wb") as log:
        process = subprocess.Popen([*ABLATE, "serve", "--port", str(free_port())], stderr=log, start_new_session=True)
    try:
        yield wait_until_ready(home, process), process
    except KeyboardInterrupt:
        print("\nstopping the service; running trials resume at the next start", file=sys.stderr)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def free_port() -> int:
    """8080, or 0 for any free port if 8080 is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 8080))
        except OSError:
            return 0
    return 8080


def wait_until_ready(home: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until the service can run trials. Returns its address; ends the demo if it cannot run them."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if url := find_address(home):
            with Client(url) as client:
                if client.ready():
                    return url
        time.sleep(0.2)
    end = LOG.read_text("utf-8", errors="replace")[-2000:]
    sys.exit(f"the service did not become ready; the end of {LOG}:\n{end}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
