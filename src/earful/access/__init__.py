"""Who may come in and as whom: origins, addresses, keys and tokens. Nobody is asked unless the settings say so."""
