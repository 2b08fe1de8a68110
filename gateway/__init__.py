"""The Exchange ActiveSync certificate gateway."""

__version__ = "0.1.0"
