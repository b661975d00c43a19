"""Studies: the document, its designs and rows, its validation, and the plan made from it. No torch."""
