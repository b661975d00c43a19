"""Result tables: one frozen `Table`, from which every format and plot is made. No torch.

table, verdicts, results  the documents: rows, cells, decisions; values of one row
build                     a table from a plan and its records; `inputs` are its further arguments
analysis, grid_effects    decisions on its rows; effects
agreement                 its rows next to the printed ones; `printed_comparability` tells which of them may be
lines, pivot_results      the lines of a pivoted table: documents; mean ranks, the test over groups, sentences on them
pivot                     the view of a table with its groups side by side; `line_cells` are its own columns
row_costs                 counted, printed and measured costs of a row
fronts                    rows that are worth their cost
columns, cells, captions  which columns there are; text of a cell; title and headings
selection                 some of the rows, in another order, under other names
notes                     the sentences below a table; `notes_verdicts`, `notes_choices` (other studies of the same
                          rows) and `notes_provenance` (when and where it ran) are parts of them
notebook                  `ablate.Table`: the table with its methods
formats/ plots/           Markdown, LaTeX, CSV, HTML, JSON; pictures
two_rows, over_images     `ablate compare`; the same two rows on each test image
tries                     rows that were tried before, over all their tries
gains, history            the paper's Figure 1; a schedule's firings
"""
