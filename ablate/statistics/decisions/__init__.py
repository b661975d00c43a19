"""Decisions about rows: is one better than its baseline, equivalent, or undecided?

row_comparison, paired   a row against its reference, seed by seed
signflip, dunnett        the exact sign-flip test; Dunnett's pooled test
corrections              Holm and Bonferroni; the false discovery rate
evidence, family         tests of all rows of a group, corrected together; their decisions
any_two_rows             two rows of a table, corrected over all pairs
over_groups              mean ranks, and one test, over several groups such as data sets
seeds_and_images         an interval that holds for other test images too
equivalence, failures    two one-sided tests; rows that lost runs
anytime                  rows that were tried before: the symmetry e-process
power                    detectable differences, and seeds needed
sentences                decisions in words
"""
