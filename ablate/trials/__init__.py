"""Trials: identity, what they need of others, how one runs, and whether two are the same.

trial              a trial, its key, its messages and its outcome
task, registry     the base class of tasks; look-up by name, also of installed ones
needs, dependents  trials that start from the weights of others, and who waits for whom
run                one trial, from its document to its outcome
messages           what a running trial may report, checked where it is sent and where it is received
machine            faults of the machine, which are not charged to a trial
gpus               the GPUs that this process may use, and those that a trial was promised
items              which test images a trial classified correctly
panels             strips of test images that a trial leaves in its folder
provenance         code, versions and machine of a result
record_comparison  a trial and the same one trained again: equal, within tolerance, different
repeats            that comparison for schedules
"""
