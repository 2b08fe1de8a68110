"""Processes: supervisor, workers and the control process."""
