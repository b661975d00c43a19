"""Studies: from the text of a document to a plan. Nothing here trains or imports torch.

source, text     a study as a caller gives it; TOML and JSON, read strictly; `written` writes a study file
scan             limits of a text before it is parsed, and of its values after
document         the fields of a study document
designs          cells from factors: rows, grid, leave_one_out, one_at_a_time
levels           levels of factors, and labels; `exclusions` are the cells that are removed from a grid
layers, resolve  patches of base, scale, group and row, merged into recipes
rows, baselines  rows with their recipe; the row that the others are compared with
lines            rows of different groups that are one line of a pivoted table
canaries, seeds  the rows that a schedule repeats; seeds as written
checks           what is refused, and what is warned of
expansion        the steps above, in order, with all errors together
plan             the trials of the rows, and the order in which they run
preregistration  how a study decides, stored before its trials run
tries            which rows were tried before, on which seeds; `first_tries` are seeds and designs that came first
effective        what a recipe trains in effect, however it is written
field_catalog    recipe fields as data; `problems` are errors with a place in the document
paper_tables     the study files of the paper; `gpu_hours` estimates what they take
"""
