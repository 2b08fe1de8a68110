"""Fixtures for every test."""

import pytest

from tests.helpers import Pki, make_pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """A development PKI in a temporary folder, made once; tests must not change it."""
    return make_pki(tmp_path_factory.mktemp("pki"))
