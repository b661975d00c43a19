"""Studies: the document, its rows, its designs, what is refused, and the plan that comes of it. No torch."""
