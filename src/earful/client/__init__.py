"""Clients of the wire protocol. They know the protocol, nothing of the server."""
