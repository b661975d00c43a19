"""A study at your desk: trained in worker processes of this machine, without a service.

study      `ablate.read_study`, `plan`, `run`, `compare`: the library in Python
prepare    what is checked and fetched before a run
run        the run; `slots` are its workers, `folder` its results, `progress` its lines
results    tables and plots in the folder; `export` reads it for a bundle
preview    costs and estimated time, without training
tries      the home's memory of what was tried; `lines` are files of documents
rerun      one stored trial, trained again
packages   which extra installs a missing package
"""
