"""The commands that need no service: `run`, `check`, `sites`, `data`. Heavy imports stay inside the commands."""
