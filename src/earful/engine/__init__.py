"""Runs the models: a seat per session, one call per work, every failure contained."""
