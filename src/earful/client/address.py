"""A server's address as it may be shown: without what may be a credential. Pure.

Called by whoever puts an address into a sentence or a file, the clients and `earful bench`.
"""

from __future__ import annotations

import re

_USER = re.compile(r"^([a-z]+://)?.*@", re.IGNORECASE | re.DOTALL)
"""Up to the last @, wherever that is: a password may hold anything, and what is no address is shown too."""
_VALUE = re.compile(r"([?&](?!(?:resume|refuse)=)[^=&#]*=)[^&#]*")
"""A parameter of the query, but for those that are ours and no secret."""


def shown(url: str) -> str:
    """The address with stars for its user and password, and for what its query's parameters say."""
    return _VALUE.sub(r"\1***", _USER.sub(r"\1***@", url))
