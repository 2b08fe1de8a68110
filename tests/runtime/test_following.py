"""What a worker goes by is never a mixture that hides a revocation."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config import Config, Listen, State
from gateway.config_upstream import Upstream
from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.runtime.following import Following
from gateway.store.store import Store


@pytest.fixture
async def following(store: Store, state_directory: Path) -> AsyncIterator[Following]:
    """Follows a store with alice in it, and a folder of CRLs that is there and empty."""
    store.mailboxes.add(Mailbox(upn="alice@example.test"))
    (state_directory / "crl").mkdir()
    config = Config(
        listen=Listen(certificate=Path("cert"), private_key=Path("key")),
        state=State(directory=state_directory),
        upstream=(Upstream(name="mail", url="http://mail.example.test"),),
    )
    made = Following(config)
    yield made
    await made.close()


async def test_what_did_not_change_is_no_news(following: Following) -> None:
    """Workers look five times a second."""
    known = await following.poll()
    assert known is not None
    assert known.is_whole
    assert await following.poll() is None


async def test_a_revocation_is_known_while_the_crls_are_not(
    following: Following, store: Store, state_directory: Path
) -> None:
    """It is told once, as not whole; when the CRLs are back, all of it is."""
    await following.poll()
    folder = state_directory / "crl"
    folder.rmdir()
    folder.write_bytes(b"")
    with pytest.raises(StateError, match=r"the CRLs in .*crl cannot be read: Not a directory"):
        await following.poll()
    store.valid_from.revoke("alice@example.test")
    known = await following.poll()
    assert known is not None
    assert not known.is_whole
    assert known.snapshot.token_valid_from("alice@example.test") is not None
    with pytest.raises(StateError):
        await following.poll()
    folder.unlink()
    folder.mkdir()
    whole = await following.poll()
    assert whole is not None
    assert whole.is_whole
    assert whole.snapshot is known.snapshot
    assert await following.poll() is None
