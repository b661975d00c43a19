"""Worker processes of this machine. Nothing here knows what a trial is.

pool    warm processes that carry out jobs and stream their results
child   a child process that ends with its parent
environment  the variables that a worker inherits
own_code  the code that a process imports, whatever lies in the working directory
"""
