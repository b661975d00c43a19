"""A user's own function as a task: its signature, its code, and its call in a worker."""
