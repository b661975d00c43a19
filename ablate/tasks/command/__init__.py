"""A user's own script as a task: its command line, its code, its process and its metrics."""
