"""TensorBoard's event files, read by its own reader: the extra `tensorboard`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from ablate.errors import TrialError, quote
from ablate.tasks.command.points import Point

MARK = "tfevents"
"""Part of the name of every event file."""
NEEDED = (
    "reading the event files of TensorBoard needs tensorboard: pip install '.[tensorboard]' (in a checkout of ablate)"
)


def is_installed() -> bool:
    """Whether event files can be read."""
    return find_spec("tensorboard") is not None


class Events:
    """An event file, which may still grow.

    Args:
        path: of the file.

    Raises:
        TrialError: tensorboard is not installed.
    """

    def __init__(self, path: Path) -> None:
        if not is_installed():
            raise TrialError(f"wrote {quote(path.name)}, and {NEEDED}")
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

        self._name, self._loader = path.name, LegacyEventFileLoader(str(path))

    def read(self) -> Iterator[Point]:
        """The scalars that were added since the last call.

        Raises:
            TrialError: the file cannot be read.
        """
        from google.protobuf.message import DecodeError
        from tensorboard.compat.tensorflow_stub.errors import OpError
        from tensorboard.util.tensor_util import make_ndarray

        try:
            for event in self._loader.Load():
                for value in event.summary.value:
                    if value.HasField("simple_value"):
                        yield Point({value.tag: float(value.simple_value)}, step=float(event.step))
                    elif value.HasField("tensor"):
                        found = make_ndarray(value.tensor)
                        if found.size == 1 and found.dtype.kind in "fiu":
                            yield Point({value.tag: float(found.item())}, step=float(event.step))
        except (OpError, DecodeError, OSError, ValueError, TypeError) as error:
            raise TrialError(f"wrote {quote(self._name)}, which cannot be read: {error}") from error
