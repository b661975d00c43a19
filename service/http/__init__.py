"""The HTTP server below the application: connections, their limits, and the end of the server.

descriptors  how many files and connections this process may open
connection   one connection of a client, with limits on time and size
server       the listener, and uvicorn with these connections
"""
