"""Worker processes of this machine. Nothing here knows what a trial is.

pool    warm processes that carry out jobs and stream their results
child   a child process that ends with its parent
environment  the variables that a worker inherits
"""
