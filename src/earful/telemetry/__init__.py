"""Logs and metrics of one server. Used by app, transport, service and engine's owner, never by the pure parts."""
