"""Values that only the service needs. The documents that cross REST are in `ablate.remote.documents`.

states   states, causes and modes as tuples, for the database
events   events of a study as stored
runs     a study and a trial as the mirror writes them to MLflow
"""
