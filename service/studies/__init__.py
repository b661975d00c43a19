"""Use cases of studies, one per module: submit, extend, conclude, results."""
