"""The documents that cross REST, by noun. The service answers with them, and the client reads them.

Field names are part of the contract with users' scripts. Answers have no defaults: the code that builds one gives every
field. A document never depends on what the service stores.
"""
