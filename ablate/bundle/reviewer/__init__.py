"""Files that are copied into every bundle."""
