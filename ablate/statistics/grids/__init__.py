"""What matters in a grid of factors.

grid           cells, ready to be analysed
nesting        which levels of other factors a factor applies to
model          main effects and interactions as columns, and which of them the cells identify
anova, amounts shares, intervals and tests
effects        all of these with their sentences; `levels` are the means of levels
contributions  what each component adds, from leave-one-out
"""
