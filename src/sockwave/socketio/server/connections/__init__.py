"""Packets of one client on their way to its sockets, by revision and parser.

They know sockets and namespaces by contracts only.
"""
