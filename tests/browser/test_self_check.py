"""The self-check page as phones' owners see it: allowed, revoked and unmapped, in Chromium.

What was seen stays in build/browser/ as pictures.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import load
from gateway.core.self_check import Outcome
from gateway.pki.folder import PkiFolder
from gateway.proxy import self_check_texts as texts
from gateway.store.audit import AuditRecord
from gateway.store.store import open_store
from tests.blackbox import bed
from tests.blackbox.bed import Running, until
from tests.browser import chromium, picture
from tests.browser.chromium import Tab
from tests.browser.pipe import DevTools
from tests.real import crl_server

PICTURES = Path("build/browser")
WIDTHS = (360, 412)
CASES = {
    "alice": (Outcome.ALLOWED, 200, "rgb(226, 244, 233)"),
    "bob": (Outcome.WITHDRAWN, 403, "rgb(252, 233, 231)"),
    "carol": (Outcome.NO_ACCESS, 403, "rgb(252, 233, 231)"),
}
"""By whose phone it is: what its owner is told, the HTTP status, and the colour of the headline."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that runs; alice's phone is in order, bob's is revoked, carol has no mailbox.

    Browsers present their certificate to it without asking.
    """
    folder = tmp_path_factory.mktemp("gateway")
    with contextlib.ExitStack() as stack:
        made = bed.new_bed(folder, stack.enter_context(bed.demo_mail_server()))
        with PkiFolder.open(made.pki.directory) as pki:
            pki.issue("carol", upn="carol@example.test", email="carol@example.test")
            pki.revoke(made.pki.bob.serial_number)
        bed.set_up(made, stack.enter_context(crl_server.serving(made.pki.directory)))
        stack.enter_context(chromium.certificate_policy([f"https://localhost:{made.port}"]))
        yield stack.enter_context(made.running())


@pytest.fixture(scope="module", params=CASES)
def owner(request: pytest.FixtureRequest) -> str:
    """Whose phone it is."""
    return str(request.param)


@pytest.fixture(scope="module")
def browser(
    gateway: Running, owner: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DevTools]:
    """The browser of that phone."""
    pki = gateway.bed.pki
    home = tmp_path_factory.mktemp("browser") / owner
    with chromium.running(home, pki.root_pem, pki.stored(owner)) as tools:
        yield tools


def _url(gateway: Running) -> str:
    return f"https://localhost:{gateway.bed.port}"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_on_a_phone(
    gateway: Running, owner: str, browser: DevTools, width: int, *, dark: bool
) -> None:
    """The owner reads the outcome and the reference, and never has to scroll to the side."""
    outcome, status, colour = CASES[owner]
    words = texts.OUTCOMES[outcome]
    tab = Tab(browser, width, dark=dark)
    tab.open(f"{_url(gateway)}/")
    shades = "-dark" if dark else ""
    png = tab.photograph(PICTURES / f"{outcome.name.lower()}-{width}{shades}.png")
    assert tab.status == status
    for sentence in (words.headline, words.meaning, words.to_do, words.spoken):
        assert sentence in tab.text
    assert f"{owner}@example.test" in tab.text
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value("innerWidth") == width
    background = tab.value("getComputedStyle(document.querySelector('header')).backgroundColor")
    assert (background == colour) is not dark
    assert picture.width(png) == 2 * width
    assert picture.values(png) > 50
    reference = tab.value("document.querySelector('.reference').innerText")
    _check_record(gateway, str(reference), owner)


def _check_record(gateway: Running, reference: str, owner: str) -> None:
    """The help desk finds the sign-in by its reference."""
    found: list[AuditRecord] = []

    def is_there() -> bool:
        config = load(gateway.bed.config)
        with open_store(config.state.directory, config.store) as store:
            found[:] = [
                one for one in store.audit.list(limit=100) if one.record["reference"] == reference
            ]
        return bool(found)

    until(is_there, f"the audit trail has {reference}")
    (one,) = found
    reasons = {"alice": "", "bob": "CERTIFICATE_REVOKED", "carol": "UNKNOWN_MAILBOX"}
    assert one.record["reason"] == reasons[owner]
    assert one.record["serial"] == f"{gateway.bed.pki.stored(owner).serial_number:x}"


def test_nothing_else_is_asked_for_or_shown(
    gateway: Running, owner: str, browser: DevTools
) -> None:
    """No script, no picture, nothing that the page's policy forbids; who is refused sees less."""
    tab = Tab(browser, WIDTHS[0], dark=False)
    tab.open(f"{_url(gateway)}/")
    assert tab.asked == [f"{_url(gateway)}/"]
    assert tab.value("document.scripts.length") == 0
    assert [one for one in tab.complaints if "Failed to load resource" not in one] == []
    is_allowed = CASES[owner][0] is Outcome.ALLOWED
    for label in (texts.MAILBOX, texts.REVOCATION, texts.SUBJECT, texts.ISSUER, texts.SERIAL):
        assert (f"\n{label}\n" in tab.text) is is_allowed
    others = {"alice", "bob", "carol"} - {owner}
    assert not any(one in tab.text for one in others)


def test_a_phone_that_tls_refuses_sees_no_page(
    gateway: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The browser has words of its own for it, which the guide quotes: it races with the alert."""
    words = "ERR_BAD_SSL_CLIENT_AUTH_CERT|ERR_SOCKET_NOT_CONNECTED"
    pki = gateway.bed.pki
    home = tmp_path_factory.mktemp("browser") / "expired"
    with (
        chromium.running(home, pki.root_pem, pki.stored("expired")) as tools,
        pytest.raises(AssertionError, match=words),
    ):
        Tab(tools, WIDTHS[0], dark=False).open(f"{_url(gateway)}/")
    assert gateway.events("handshake.failed")
