"""The machine that this process runs on: what it may use of it, and whether that works.

folders       whether a folder that a setting names can be used
mounts        the file system of a folder
locks         locks on files
resources     CPUs and memory, by the limits of a container
"""
