"""Fixtures for the revocation engine."""

from collections.abc import AsyncIterator

import pytest

from tests.revocation.crl_server import CrlServer, crl_server


@pytest.fixture
async def server() -> AsyncIterator[CrlServer]:
    """A CRL server on loopback."""
    async with crl_server() as running:
        yield running
