"""What is decided about rows: tests, corrections, equivalence, power."""
