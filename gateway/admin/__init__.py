"""The listener for operations: health, readiness, metrics."""
