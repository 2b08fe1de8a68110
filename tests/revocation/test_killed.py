"""kill -9 in the middle of a refresh, again and again."""

import asyncio
import random
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Revocation as Settings
from gateway.core.authority import Authority
from gateway.core.crl import CrlKind
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.index import IndexFile, index_path
from tests.core.crl_samples import authority_of
from tests.revocation.crl_server import CrlServer

CA = CertificateAuthority.root("Issuing CA")
_LONGEST_SECONDS = 0.25  # some refreshes, wherever the kill falls


def crl(number: int, entries: int) -> bytes:
    """A CRL with that many entries."""
    revoked = [Revocation(serial_number=2**150 + n) for n in range(entries)]
    return CA.sign_crl(revoked, number=number).public_bytes(Encoding.DER)


def swap(server: CrlServer, crls: Iterator[bytes]) -> None:
    """Each request gets the other of two CRLs."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=next(crls))

    server.handlers["/a.crl"] = handler


async def refresh_and_kill(folder: Path, authority: Authority) -> None:
    """Start a process, wait for its first refresh, and kill it at a random moment after."""
    certificate = folder.parent / "ca.der"
    certificate.write_bytes(authority.certificate)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.revocation.refresher"),
        *(str(folder), str(authority.crl_distribution_point), str(certificate)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ok\n"
    await asyncio.sleep(random.uniform(0, _LONGEST_SECONDS))  # the moment must not be a chosen one
    process.kill()
    await process.communicate()


@pytest.mark.parametrize(("few", "many", "kills"), [(3, 500, 4), (14_000, 15_000, 4)])
async def test_the_old_or_the_new_crl_is_there_whole(
    tmp_path: Path, server: CrlServer, few: int, many: int, kills: int
) -> None:
    """Compiled in the process or, if large, in one of its own: never neither, never a mixture."""
    one, two = crl(1, few), crl(2, many)
    swap(server, cycle((one, two)))
    authority = authority_of(CA, f"{server.url}/a.crl")
    folder = tmp_path / "crl"
    folder.mkdir()
    for _ in range(kills):
        await refresh_and_kill(folder, authority)
        index = IndexFile.open(index_path(folder, authority.id, CrlKind.BASE.value))
        found = (index.accepted.facts.crl_number, len(index.entries))
        assert found in ((1, few), (2, many))
        assert (folder / f"{authority.id}.base.crl").read_bytes() in (one, two)
    engine = RevocationEngine(folder, Settings())
    assert (await engine.refresh(authority, accept_rollback=True)).ok
