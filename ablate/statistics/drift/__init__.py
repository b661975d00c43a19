"""Whether a repeated study has changed, which row, and since when.

watch             the verdict on a schedule's history
detectors         four detectors of change
sequential_ranks  their input: ranks among all values before
"""
