"""The console script `ablate`: the library's commands, and those of the service, which speak REST."""
