"""The tasks that come with ablate. Each has a `task` module that imports without torch."""
