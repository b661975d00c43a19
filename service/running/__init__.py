"""The running side: the scheduler's tick, and the trials under way."""
