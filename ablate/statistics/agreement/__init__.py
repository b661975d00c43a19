"""Our differences compared with a paper's printed ones."""
