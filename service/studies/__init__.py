"""Use cases of studies, one a module.

prepare, submit, extend   planned, probed, queued; more seeds or rows
lifecycle                 list, cancel, retry, pause, resume
conclude, results         the end of a study; its table and plots
tries                     which rows were tried before
trials, events            cells, trials and logs; the event stream
paper, gains              the tables of the paper together; its Figure 1
view, workload            a study as REST shows it; what waits for what
"""
