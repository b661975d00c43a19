"""Data sets: what is known of each, where it lies, how it gets here, and whether its files are intact. No torch."""
