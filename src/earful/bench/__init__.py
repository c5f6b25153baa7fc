"""Load on any server, and what came of it: `earful bench`. It knows the protocol, nothing of the server."""
