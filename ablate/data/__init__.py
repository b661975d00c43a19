"""Data sets: their descriptions, where they are, how they are fetched, and whether their files are intact. No torch."""
