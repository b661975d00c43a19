"""Help: the project's READMEs as pages of the service, with a search. Nothing is fetched from the network."""
