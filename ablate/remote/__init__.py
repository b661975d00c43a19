"""A study at a service: the client and the documents that cross REST."""
