"""A paper as data: its recipes and its printed numbers."""
