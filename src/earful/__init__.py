"""The serving layer for streaming speech-to-text. Importing it imports nothing else."""

__version__ = "0.1.0.dev0"
