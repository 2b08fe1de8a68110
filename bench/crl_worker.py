"""A process that follows CRL indexes as a worker does, and says what that costs it.

`python -m bench.crl_worker FOLDER CA.der DEVICE.der`: a line of JSON when it is ready, and one for
each new index: when the device was found to be revoked, and the longest stall of the event loop in
that time and in the time before. It goes on until it is killed.
"""

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from gateway.core.authority import Authority, AuthorityType
from gateway.core.certificate import ClientCertificate
from gateway.core.revocation import RevocationState
from gateway.revocation.view import RevocationView
from gateway.tasks import Tasks

_POLL_SECONDS = 0.2  # as workers do
_TICK_SECONDS = 0.001


class _Lag:
    """The longest time for which the event loop did not come round."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            due = time.perf_counter() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            self.longest = max(self.longest, time.perf_counter() - due)


def say(**values: object) -> None:
    """A line of JSON on standard output."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def main(folder: Path, authority: Authority, device: ClientCertificate) -> None:
    """Follow the folder until somebody ends the process."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1)
    tasks = Tasks()
    view = await loop.run_in_executor(thread, RevocationView.load, folder)
    lag = _Lag()
    tasks.spawn(lag.watch(), name="watch")
    say(ready=True)
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        if view.is_current:
            continue
        quiet, lag.longest = lag.longest, 0.0
        view = await loop.run_in_executor(thread, RevocationView.load, folder, view)
        status = view.status(authority, device, datetime.now(UTC))
        enforced = time.time() if status.state is RevocationState.REVOKED else None
        await asyncio.sleep(_POLL_SECONDS / 2)
        say(enforced=enforced, stall_ms=lag.longest * 1e3, quiet_ms=quiet * 1e3)
        lag.longest = 0.0


if __name__ == "__main__":
    _folder, _ca, _device = map(Path, sys.argv[1:])
    uvloop.run(
        main(
            _folder,
            Authority.from_der(
                _ca.read_bytes(),
                authority_type=AuthorityType.ROOT,
                crl_distribution_point="http://127.0.0.1/",
            ),
            ClientCertificate.from_der(_device.read_bytes()),
        )
    )
