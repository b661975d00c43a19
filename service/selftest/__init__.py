"""`ablate selftest`: null studies through a real service, and how many of their tables show an effect.

worlds        the studies: rows that do not differ, and one that does if an effect is planted
own_service   a service in a state directory of its own, in a child process
level         counts the tables, and judges the share against the bound
"""
