"""The commands that need no service. Heavy imports stay inside the commands.

app                        the commands and the entry point
run, check, data, version  what they print
options                    options that several commands have
output, terminal           the way to a terminal: sentences, texts and JSON; tables and bars
progress                   the progress of trials
errors                     how a command ends in an error
"""
