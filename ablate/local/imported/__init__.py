"""Results that exist already become a table: `ablate import`. They are read from files of other programs."""
