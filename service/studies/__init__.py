"""Use cases of studies, one a module: submit, extend, conclude, results."""
