"""The store that the settings name: whether it can be one, said as settings are complained of.

Apart from both, since the store knows nothing of settings, nor they of it. Called by the command line and `renewal.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.settings import SettingsError
from earful.store.address import StoreAddress, StoreUrlError

if TYPE_CHECKING:
    from earful.settings import Settings


def check_store(settings: Settings) -> None:
    """Refuse a store that cannot be one: SettingsError, without the URL, which may have a password in it."""
    try:
        StoreAddress.parse(settings.store.get_secret_value())
    except StoreUrlError as error:
        raise SettingsError(f"{error} ({settings.source_of('store')}).") from None
