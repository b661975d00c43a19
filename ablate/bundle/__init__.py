"""A bundle: one zip file from which anybody can recompute a study's table, without this service and without training.

archive                the zip file: fixed bytes, a manifest; hostile files are refused
documents, record      what a bundle says of a study, as documents; made from a plan and its records
contents               everything that goes into a bundle
crate, wheel, code     RO-Crate metadata, the wheel of this ablate, the snapshot of a foreign task's code
scripts                the code of a user's own script or function, and that task as the bundle has it
privacy                what must not leave the machine: home folders, host names, tokens
rebuild, compare       the table made again from the documents, and where it differs from the stored one
belong, verify         whether the documents belong together, and the answer of `ablate verify`
reviewer/              files of every bundle: `verify.py`, which needs numpy and scipy alone, and a README

Nothing here imports torch.
"""
