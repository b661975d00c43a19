"""Documents that only the service needs: tuples of states for the store, events as stored, runs for the mirror.

The documents that cross REST are in `ablate.remote.documents`.
"""
