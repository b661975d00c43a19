"""Our differences against a paper's printed ones."""
