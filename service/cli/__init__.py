"""The service's commands of the console script `ablate`; they speak REST."""
