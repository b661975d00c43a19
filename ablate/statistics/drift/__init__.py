"""Whether a repeated study has changed, which row, and since when.

watch             the verdict on a schedule's history
detectors         detectors of change of a row's mean
losses            whether a row loses more of its seeds
sequential_ranks  their input: ranks among all values before
"""
