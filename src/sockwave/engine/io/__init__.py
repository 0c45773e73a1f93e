"""What the server and the client do alike with an event loop and a TCP connection.

It knows the core, and neither of the two.
"""
