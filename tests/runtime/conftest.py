"""A store with the development PKI's CAs, and CRLs on a real web server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.pki.folder import read_certificates
from gateway.store.store import Store, open_store
from tests.helpers import Pki


@pytest.fixture
def state_directory(tmp_path: Path) -> Path:
    """Where the store lies."""
    return tmp_path / "state"


@pytest.fixture
def store(state_directory: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(state_directory) as opened:
        yield opened


@pytest.fixture
async def crl_url(pki: Pki) -> AsyncIterator[str]:
    """Where the CRL of the root is published."""
    data = pki.root.sign_crl().public_bytes(Encoding.DER)

    async def crl(_request: web.Request) -> web.Response:
        return web.Response(body=data)

    application = web.Application()
    application.router.add_get("/root.crl", crl)
    async with TestServer(application) as server:
        yield str(server.make_url("/root.crl"))


@pytest.fixture
def root(pki: Pki, crl_url: str) -> Authority:
    """The record of the development PKI's root."""
    return Authority.from_der(
        read_certificates(pki.root_pem)[0].public_bytes(Encoding.DER),
        authority_type=AuthorityType.ROOT,
        crl_distribution_point=crl_url,
    )
