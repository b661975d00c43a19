"""The built-in tasks. The `task` module of each imports without torch."""
