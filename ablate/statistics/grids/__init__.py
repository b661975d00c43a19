"""What matters in a grid of factors.

grid           cells, ready to be analysed
nesting        which levels of other factors a factor applies to
model          main effects and interactions as columns, and which of them the cells identify
anova, amounts shares, intervals and tests
effects        all of these with their sentences, and contributions; `levels` are the means of levels
"""
