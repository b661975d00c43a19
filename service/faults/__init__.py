"""What may go wrong without taking anything else with it.

boundary      where an internal error ends: at the one piece of work that raised it
work          a piece of work, and what is not its failure
steps         the same for the steps of a loop
pauses        growing waits between tries
outages       parts of the surroundings that are away: one line in the log at the begin and one at the end
disk          whether the state directory can be written
"""
