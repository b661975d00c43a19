"""Our differences against a paper's printed ones.

printed, row_agreement   the verdict on a table; on each row
directed, magnitude      tests in the printed direction; sizes side by side
order, rank              decided pairs of rows; Kendall's tau
"""
