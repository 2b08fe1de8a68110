"""A phone, the gateway and SOGo: what a mail program does every day, and who is kept out."""

import contextlib
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.real.connection import Answer, Connection
from tests.real.gateway_process import Gateway
from tests.real.mail import deliver, message
from tests.real.phone import Phone
from tests.real.sogo.bed import ALICE, BOB, Bed

PhoneOf = Callable[[str], Phone]
CHANGES_FOUND = "2"  # MS-ASCMD section 2.2.3.177.11, Status (Ping)
FOLLOW_SECONDS = 10.0


class TestEveryDay:
    """What must work, straight at SOGo and through the gateway alike."""

    def test_options_tells_versions_and_commands(self, phone_of: PhoneOf) -> None:
        """OPTIONS is answered with the protocol versions and commands of the mail server."""
        answer = phone_of(ALICE).options()
        assert answer.status_code == 200
        assert "14.1" in answer.headers["MS-ASProtocolVersions"].split(",")
        assert "Ping" in answer.headers["MS-ASProtocolCommands"].split(",")

    def test_provision_is_answered(self, phone_of: PhoneOf) -> None:
        """Provision is answered by SOGo, which has no policy to hand out."""
        assert phone_of(ALICE).provision() is None

    def test_folder_sync_lists_the_inbox(self, phone_of: PhoneOf) -> None:
        """FolderSync lists a folder of the type inbox."""
        assert phone_of(ALICE).inbox()

    def test_sync_shows_a_delivered_message(self, phone_of: PhoneOf, bed: Bed) -> None:
        """A message that was delivered after the last Sync is what the next one shows."""
        phone = phone_of(ALICE)
        phone.sync()
        subject = deliver(bed, ALICE)
        assert phone.sync() == [subject]

    def test_sent_mail_arrives(self, phone_of: PhoneOf) -> None:
        """What alice sends with SendMail is what bob's next Sync shows."""
        alice, bob = phone_of(ALICE), phone_of(BOB)
        bob.sync()
        alice.provision()
        sent = message(BOB, sender=ALICE)
        alice.send(sent)
        assert bob.sync() == [sent["Subject"]]

    def test_ping_is_answered_when_mail_arrives(self, phone_of: PhoneOf, bed: Bed) -> None:
        """A Ping is held while nothing happens, and answered with the inbox once mail is there."""
        phone = phone_of(ALICE)
        phone.sync()
        with ThreadPoolExecutor(1) as background:
            held = background.submit(phone.ping, heartbeat_seconds=50)
            with pytest.raises(TimeoutError):
                held.result(timeout=2)
            subject = deliver(bed, ALICE)
            answer = held.result(timeout=40)
        assert (answer.status, answer.changed_folder_ids) == (CHANGES_FOUND, [phone.inbox()])
        assert phone.sync() == [subject]


class TestMailboxes:
    """Whose mailbox a certificate opens."""

    def test_a_certificate_does_not_open_another_mailbox(self, gateway: Gateway) -> None:
        """Bob's certificate with alice's name in the query is refused with 403."""
        with (
            contextlib.closing(gateway.phone("bob", user=ALICE)) as phone,
            pytest.raises(requests.HTTPError) as refused,
        ):
            phone.inbox()
        assert refused.value.response.status_code == 403

    def test_a_certificate_shows_its_own_mailbox_alone(self, gateway: Gateway, bed: Bed) -> None:
        """Bob sees the message that came for him and not the one for alice."""
        with contextlib.closing(gateway.phone("bob", user=BOB)) as phone:
            phone.sync()
            deliver(bed, ALICE)
            subject = deliver(bed, BOB)
            assert phone.sync() == [subject]


class TestRevocation:
    """A certificate or a user that was let in, and no longer is."""

    def test_a_revoked_user_is_refused_on_the_open_connection(self, own_gateway: Gateway) -> None:
        """After `user revoke` the same connection is cut, or gets 503 with Retry-After first."""
        with (
            contextlib.closing(own_gateway.connect("alice")) as alice,
            contextlib.closing(own_gateway.connect("bob")) as bob,
        ):
            assert alice.options().status == 200
            own_gateway.cli("user", "revoke", ALICE)
            answer = _first_refusal(alice)
            if answer is not None:
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) > 0
                assert alice.is_ended()
            assert bob.options().status == 200

    def test_a_revoked_user_is_refused_on_a_new_connection(self, own_gateway: Gateway) -> None:
        """After `user revoke` the old certificate is refused until a newer CRL spares it."""
        with contextlib.closing(own_gateway.connect("alice")) as before:
            own_gateway.cli("user", "revoke", ALICE)
            _first_refusal(before)
        with contextlib.closing(own_gateway.connect("alice")) as after:
            answer = after.options()
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0

    def test_a_certificate_on_the_crl_is_refused(self, own_gateway: Gateway) -> None:
        """After `pki revoke` and `ca refresh` the open connection is cut and a new one gets 403."""
        with contextlib.closing(own_gateway.connect("alice")) as before:
            assert before.options().status == 200
            own_gateway.revoke_certificate("alice")
            own_gateway.cli("ca", "refresh")
            answer = _first_refusal(before)
            assert answer is None or answer.status == 403
        with contextlib.closing(own_gateway.connect("alice")) as after:
            assert after.options().status == 403
        with contextlib.closing(own_gateway.connect("bob")) as bob:
            assert bob.options().status == 200


def _first_refusal(connection: Connection) -> Answer | None:
    """The answer of the first request that is not let through; None if the connection was cut.

    The gateway follows a change within a second; what it answers until then is no concern here. An
    idle connection of whom the change refuses is closed, so that a request may come too late.
    """
    deadline = time.monotonic() + FOLLOW_SECONDS
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while (answer := connection.options()).status == 200:
            assert time.monotonic() < deadline, "the gateway does not follow the change"
        return answer
    return None
