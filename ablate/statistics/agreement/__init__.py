"""Our differences against a paper's printed ones.

printed, row_agreement   the verdict on a table; on each row
directed                 tests in the printed direction
order, rank              decided pairs of rows; Kendall's tau
"""
