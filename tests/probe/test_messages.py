"""What the device reads out of answers, the right and the wrong ones."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.wbxml import Child, Element, element
from gateway.core.wbxml_pages import TOKENS
from gateway.errors import WbxmlError
from gateway.probe import messages
from gateway.probe.outcome import Provisioned, Synced

READERS: dict[str, Callable[[Element], object]] = {
    "Provision:Provision": messages.read_provision,
    "FolderHierarchy:FolderSync": messages.read_folder_sync,
    "AirSync:Sync": messages.read_sync,
    "ComposeMail:SendMail": messages.read_send_mail,
    "Ping:Ping": messages.read_ping,
}
PAGES = ("AirSync:", "Provision:", "FolderHierarchy:", "Ping:", "ComposeMail:")
TAGS = st.sampled_from(sorted(tag for tag in TOKENS if tag.startswith(PAGES)))


def _elements(children: st.SearchStrategy[Child]) -> st.SearchStrategy[Element]:
    return st.builds(
        lambda tag, inside: element(tag, *inside), TAGS, st.lists(children, max_size=3)
    )


CHILDREN: st.SearchStrategy[Child] = st.recursive(
    st.sampled_from(["1", "", "-1", "x", "9" * 30, b"1"]), _elements, max_leaves=6
)


@given(st.sampled_from(sorted(READERS)), st.lists(CHILDREN, max_size=4))
def test_any_answer(tag: str, children: list[Child]) -> None:
    """An answer of the right name is read or refused, whatever is in it."""
    try:
        READERS[tag](element(tag, *children))
    except WbxmlError:
        return


@pytest.mark.parametrize("tag", READERS)
def test_another_answer(tag: str) -> None:
    """The answer to another command is refused by name."""
    with pytest.raises(WbxmlError, match=tag):
        READERS[tag](element("Settings:Settings"))


def test_account_only_wipe() -> None:
    """The wipe of version 16.1 is told like the other."""
    directive = element("Provision:AccountOnlyRemoteWipe")
    root = element("Provision:Provision", element("Provision:Status", "1"), directive)
    assert messages.read_provision(root) == Provisioned(1, wipe=True)


def test_sync_refused_as_a_whole() -> None:
    """A status of the whole Sync stands for that of the folder, and the key is void."""
    root = element("AirSync:Sync", element("AirSync:Status", "126"))
    assert messages.read_sync(root) == (Synced(126), "0")
