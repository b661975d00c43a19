"""`ablate doctor`: what of this machine works, and what to do about the rest. Nothing is changed or started.

examine       asks all probes at the same time, with a limit; a probe that fails is one more finding
findings      what a probe finds
python        Python, its packages, torch
machine       CPUs, memory, limits of processes; state directory, its disk, its locks, shared memory
parts         ports, database, Ray, MLflow, the service that runs, data sets
"""
