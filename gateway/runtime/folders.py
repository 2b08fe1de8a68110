"""Where things lie below `state.directory`."""

from pathlib import Path

from gateway.config import State


def crl_directory(state: State) -> Path:
    """The CRLs and their indexes: control writes them, workers map them."""
    return state.directory / "crl"
