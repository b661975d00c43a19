"""The queue of trials: every change of state is one guarded UPDATE.

states   the state machine and the retry policy, pure
claims   claim, progress, end of an attempt
demand   trials that studies add, need, or no longer need
limits   studies whose trials must wait
needs    trials that wait for others
lineup   the queue as people see it
outbox   events for watchers, entries for the mirror
"""
