"""What matters in a grid of factors.

grid           cells, ready to be analysed
anova, amounts exact shares of a balanced grid, with intervals
fanova         importances in a grid with holes
effects        the choice between the two; `levels` are the means of levels
contributions  what each component adds, from leave-one-out
"""
