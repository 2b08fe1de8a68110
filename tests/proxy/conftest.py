"""The data plane's tests run on the event loop that the workers run on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.helpers import Pki
from tests.proxy.bed import Bed, bed


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The workers' loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def plane(pki: Pki) -> AsyncIterator[Bed]:
    """A data plane with the usual settings and a mail server that answers `ok`."""
    async with bed(pki) as one:
        yield one
