"""Schedules: when they fire, what a firing trains, and whether its results drift.

lifecycle   the calls of REST: add, list, change, remove, trigger, acknowledge
instants    cron expressions, time zones, and the times that follow from them
fire        the tick: due times become firings, firings become studies, ended studies become results
launch      the study of a firing
settle      the results of a firing; `alarms` raises alarms if they drift
notify      notices to operators; `post` posts one in a process of its own
history     a schedule's firings as a plot
today       the daily report
view        schedules and firings as REST documents
"""
