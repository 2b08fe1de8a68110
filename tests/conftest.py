"""Fixtures for every test, and how many examples a property is tried with."""

import os
import signal

import pytest
from hypothesis import settings

from tests.helpers import Pki, make_pki

# No deadline: how long an example takes says something about the machine alone.
settings.register_profile("fast", max_examples=40, deadline=None)
settings.register_profile("deep", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("EAS_HYPOTHESIS", "fast"))

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would the programs
# that they start, which are to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """A development PKI in a temporary folder, made once; tests must not change it."""
    return make_pki(tmp_path_factory.mktemp("pki"))
