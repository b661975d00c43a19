"""A table as Markdown, LaTeX, CSV, HTML and JSON."""
