"""Sound in: PCM and its conversion, voice activity, uploaded recordings."""
