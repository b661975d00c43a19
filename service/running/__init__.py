"""The running side of the service.

scheduler  the tick: receive, write, submit, conclude, fire
keeper     a dispatcher that is there, or is waited for
ledger     what a tick writes, in one transaction
ends       how attempts end in the database
due        what is due in a tick
flights    trials under way
threads    the threads of the service, which are started again if they die
"""
