"""A process that refreshes one authority's CRL without a pause: `FOLDER URL CERTIFICATE`.

It believes older CRLs, too, so that a server can make it swap between two of them for ever.
"""

import asyncio
import sys
from pathlib import Path

from gateway.config import Revocation
from gateway.core.authority import Authority, AuthorityType
from gateway.revocation.engine import RevocationEngine


def read(url: str, certificate: str) -> Authority:
    """The record of the CA certificate in a DER file."""
    der = Path(certificate).read_bytes()
    return Authority.from_der(der, authority_type=AuthorityType.ROOT, crl_distribution_point=url)


async def main(folder: str, authority: Authority) -> None:
    """Refresh, and say how it went, a line each time."""
    engine = RevocationEngine(Path(folder), Revocation())
    while True:
        result = await engine.refresh(authority, accept_rollback=True)
        sys.stdout.write("ok\n" if result.ok else f"{result.detail}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], read(sys.argv[2], sys.argv[3])))
