"""Result tables: one frozen `Table` from which Markdown, LaTeX, CSV, HTML, JSON and the plots come. No torch here."""
