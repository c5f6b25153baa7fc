"""Decodes what strangers upload, in processes that may have so much memory and time, and then are killed."""
