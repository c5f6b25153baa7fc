"""`earful key`: draw a key for a tenant, and print the line for the file of keys that knows it by its hash.

The key itself is on standard output alone, once: nobody keeps it.
"""

from __future__ import annotations

import sys

from earful.access.authenticator import TENANT
from earful.access.keyfile import drawn_key, line_of

BAD_NAME = 2


def key(tenant: str) -> int:
    """Print both; 2 where no tenant can be called so."""
    if not TENANT.fullmatch(tenant):
        print("earful: a tenant is called by letters, digits and . _ @ : + -, 128 at most.", file=sys.stderr)
        return BAD_NAME
    drawn = drawn_key()
    print(f"The key, for {tenant}, which is shown only now:\n\n    {drawn}\n")
    print(f"The line for the file of keys:\n\n    {line_of(tenant, drawn)}")
    return 0
