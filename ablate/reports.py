"""`ablate.report`: how a script reports metrics to the trial that runs it. It imports nothing outside of Python."""

from __future__ import annotations

import json
import os
import threading

REPORT = "ABLATE_REPORT"
"""Variable with the file to which the scripts of a trial report."""
_LOCK = threading.Lock()
_counts: dict[str, int] = {}


def report(*, step: int | None = None, epoch: float | None = None, steps: int | None = None, **metrics: float) -> None:
    """Report metrics of a training script to ablate. Outside of a trial it does nothing.

    Args:
        step: optimiser step, or any other count that grows; default: the number of the call.
        epoch: epoch, for the curve.
        steps: steps in all, for the progress that is shown.
        metrics: name -> number, such as `val_acc=0.93`; also a tensor of one element, or a numpy number. Names that
            `[command] metrics` does not declare are ignored.

    Returns:
        Nothing.

    Raises:
        TypeError: a value is not a number.
        OSError: the report cannot be written.

    Example:
        >>> for step in range(100):
        ...     ablate.report(step=step, val_acc=evaluate(model))
    """
    path = os.environ.get(REPORT)
    if not path:
        return
    row = {name: _number(name, value) for name, value in metrics.items()}
    with _LOCK:
        _counts[path] = _counts.get(path, 0) + 1
        row["step"] = _counts[path] if step is None else int(step)
        row |= {name: value for name, value in (("epoch", epoch), ("steps", steps)) if value is not None}
        line = json.dumps(row).encode() + b"\n"
        with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - one write for each line, also from several processes
            file.write(line)


def _number(name: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise TypeError(f"ablate.report: {name} is a {type(value).__name__}; give a number") from error
