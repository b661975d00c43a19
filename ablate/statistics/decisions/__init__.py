"""Decisions about rows: tests, corrections, equivalence, power."""
