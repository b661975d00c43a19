"""Statistics of ablation tables: pure functions over mappings from seed to value. Imports scipy at most.

estimate    mean, standard deviation and interval of one row
decisions/  rows against a baseline: tests, corrections, equivalence, power
grids/      what matters in a grid: nested factors, shares, tests, means
agreement/  our differences against printed ones
drift/      change in a repeated study
pareto      rows that are worth their cost
words       numbers in sentences
"""
