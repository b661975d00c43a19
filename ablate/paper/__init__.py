"""What a paper says, as data: its recipes and its printed numbers."""
