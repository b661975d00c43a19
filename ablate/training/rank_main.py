"""The process of one rank: `main`, with the number of a pipe; started only by `rank_processes`."""

from __future__ import annotations

import pickle
import signal
import sys
import time
import traceback
from datetime import timedelta
from multiprocessing.connection import Connection

import torch
from torch import distributed

from ablate.text import print_every_character
from ablate.training.loop import carry_out_as
from ablate.training.rank_processes import Failed, Share
from ablate.workers.child import end_with_parent

PATIENCE = timedelta(minutes=10)
"""How long a rank waits for another: rank 0 writes checkpoints, and each rank reads its own images."""


def main() -> None:
    """Carry out the share that arrives through the pipe, whose number is the argument.

    A rank that is done waits until it is killed: NCCL takes the end of one rank for a failure of all.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print_every_character()
    until_parent_ends = end_with_parent()
    pipe = Connection(int(sys.argv[1]))
    share: Share = pipe.recv()
    try:
        _join(share)
        for message in carry_out_as(share.ranks, share.work):
            if share.ranks.rank == 0:
                pipe.send(message)
    except Exception as error:  # reported to the trial's process, which raises it
        pipe.send(Failed(_portable(error, share), time.monotonic()))
    until_parent_ends.join()


def _join(share: Share) -> None:
    """Join the group of all ranks; on GPUs, use the one with the rank's number."""
    ranks, device = share.ranks, None
    if torch.cuda.is_available():
        device = torch.device("cuda", ranks.rank)
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if device else "gloo",
        # not by a URL, in which a path may not have every sign
        store=distributed.FileStore(str(share.store), ranks.count),  # type: ignore[attr-defined]
        rank=ranks.rank,
        world_size=ranks.count,
        timeout=PATIENCE,
        device_id=device,
    )


def _portable(error: Exception, share: Share) -> Exception:
    """The error with its traceback as a note; an error that cannot be pickled is replaced by its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a user's class can do anything here
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"on rank {share.ranks.rank} of {share.ranks.count}:\n{traceback.format_exc()}")
    return error


if __name__ == "__main__":
    main()
