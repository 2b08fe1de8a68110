"""SOGo, gateways in front of it, and phones."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real import gateway_process
from tests.real.gateway_process import Gateway
from tests.real.phone import Phone
from tests.real.sogo import daemons
from tests.real.sogo.bed import Bed

PhoneOf = Callable[[str], Phone]


@pytest.fixture(scope="session")
def bed() -> Bed:
    """The running SOGo."""
    found = Bed.from_environment()
    if daemons.sogod(found).running_pid() is None:
        pytest.exit("SOGo does not run: use `make test-real`, or `python -m tests.real.sogo up`", 2)
    return found


@pytest.fixture(scope="session")
def gateway(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that no test changes."""
    with gateway_process.running(tmp_path_factory.mktemp("gateway"), bed) as running:
        yield running


@pytest.fixture
def own_gateway(bed: Bed, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway whose users and certificates the test may revoke."""
    with gateway_process.running(tmp_path, bed) as running:
        yield running


@pytest.fixture(params=["the bed itself", "the gateway"])
def phone_of(request: pytest.FixtureRequest, bed: Bed) -> Iterator[PhoneOf]:
    """Makes a mailbox's phone: once straight at SOGo, to know the bed is sound, and once not."""
    direct = request.param == "the bed itself"
    gateway: Gateway | None = None if direct else request.getfixturevalue("gateway")
    with contextlib.ExitStack() as phones:

        def make(mailbox: str) -> Phone:
            name = mailbox.partition("@")[0]
            phone = gateway.phone(name, user=mailbox) if gateway else Phone.at_sogo(bed, mailbox)
            phones.callback(phone.close)
            return phone

        yield make
