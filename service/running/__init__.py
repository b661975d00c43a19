"""The running side of the service.

scheduler  the tick: receive, acknowledge, claim, submit, conclude
due        what is due in a tick
flights    trials under way
"""
