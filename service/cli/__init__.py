"""The console script `ablate`: the library's commands, and those of the service, which use the client.

main                             the entry point
serve                            `ablate serve`
studies, trials, paper, schedules, today  the commands
rerun                            the target of `ablate rerun`
connect                          the connection and options that they share
show_studies, show_schedules, watch  what they print
"""
