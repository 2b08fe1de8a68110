"""A resumed TLS session is judged like any other: a ticket is never a way round a decision.

The ways that others found: across server names (CVE-2025-23419, CVE-2025-23048), and after the CAs
have changed (CVE-2025-68121).
"""

import ssl
from datetime import UTC, datetime

import pytest

from gateway.core.decision import Reauthentication, TokenValidFrom
from gateway.core.reasons import Reason
from tests.helpers import Pki
from tests.proxy.bed import Bed, bed, post
from tests.proxy.resuming import Resuming

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


async def _with_ticket(plane: Bed, version: ssl.TLSVersion) -> Resuming:
    """Alice's device, after a full handshake and a request that was let in."""
    device = Resuming(plane.pki, version)
    assert (await device.ask(plane, post())).status == 200
    assert not device.resumed()
    plane.audit()
    return device


def _revoke_user(plane: Bed) -> TokenValidFrom:
    valid_from = TokenValidFrom(datetime.now(UTC), plane.directory.change_id + 1)
    plane.directory.valid_from["alice@example.test"] = valid_from
    return valid_from


@VERSIONS
class TestServed:
    """Who may come back."""

    async def test_again_and_again(self, plane: Bed, version: ssl.TLSVersion) -> None:
        """Each resumption is let in, on a record of its own that says who it is."""
        device = await _with_ticket(plane, version)
        for _ in range(3):
            assert (await device.ask(plane, post())).status == 200
            assert device.resumed()
            (record,) = plane.audit()
            assert (record["decision"], record["mailbox"]) == ("allow", "alice@example.test")
            assert record["serial"] == f"{plane.pki.alice.serial_number:x}"

    async def test_byte_by_byte(self, plane: Bed, version: ssl.TLSVersion) -> None:
        """However the network cuts the ClientHello, its name and ticket are found."""
        device = await _with_ticket(plane, version)
        assert (await device.ask(plane, post(), step=1)).status == 200
        assert device.resumed()

    async def test_by_a_full_handshake_under_another_listener(
        self, plane: Bed, version: ssl.TLSVersion
    ) -> None:
        """That of another worker, or the next one of this: the ticket is passed over."""
        device = await _with_ticket(plane, version)
        plane.services.listener = plane.listener()
        assert (await device.ask(plane, post())).status == 200
        assert not device.resumed()

    @pytest.mark.parametrize("name", [None, "elsewhere.example"])
    async def test_without_a_name_of_the_gateways(
        self, plane: Bed, version: ssl.TLSVersion, name: str | None
    ) -> None:
        """There are no tickets: they are bound to a name, and the certificate's alone count."""
        device = Resuming(plane.pki, version)
        request = post() if name is None else post().replace(b"localhost", name.encode(), 1)
        for _ in range(2):
            assert (await device.ask(plane, request, name=name)).status == 200
            assert not device.resumed()


@VERSIONS
class TestRefused:
    """Who may not, whatever ticket it has."""

    async def test_after_the_certificate_was_revoked(
        self, plane: Bed, version: ssl.TLSVersion
    ) -> None:
        """The CRLs are asked about the certificate in the ticket."""
        device = await _with_ticket(plane, version)
        plane.crls.revoked.add(plane.pki.alice.serial_number)
        await plane.follow()
        assert (await device.ask(plane, post())).status == 403
        assert device.resumed()
        assert [r["reason"] for r in plane.audit()] == [Reason.CERTIFICATE_REVOKED]

    async def test_after_the_issuing_ca_was_revoked(
        self, plane: Bed, version: ssl.TLSVersion
    ) -> None:
        """So they are about the CAs above it, which the ticket does not hold."""
        device = await _with_ticket(plane, version)
        plane.crls.revoked.add(plane.pki.issuing.certificate.serial_number)
        await plane.follow()
        assert (await device.ask(plane, post())).status == 403
        assert device.resumed()
        assert [r["reason"] for r in plane.audit()] == [Reason.CERTIFICATE_REVOKED]

    async def test_after_the_certificate_was_blocked(
        self, plane: Bed, version: ssl.TLSVersion
    ) -> None:
        """Its issuer is known."""
        device = await _with_ticket(plane, version)
        plane.directory.blocked.add(plane.pki.alice.serial_number)
        await plane.follow()
        assert (await device.ask(plane, post())).status == 403
        assert [r["reason"] for r in plane.audit()] == [Reason.CERTIFICATE_BLOCKED]

    async def test_after_token_valid_from(self, pki: Pki, version: ssl.TLSVersion) -> None:
        """A session from before is dead, even if a new one would be let in at once."""
        async with bed(pki, reauthentication=Reauthentication.IMMEDIATE) as plane:
            device = await _with_ticket(plane, version)
            valid_from = _revoke_user(plane)
            await plane.follow()
            assert (await device.ask(plane, post())).status == 503
            assert device.resumed()
            assert [r["reason"] for r in plane.audit()] == [Reason.BEFORE_TOKEN_VALID_FROM]
            plane.services.listener.outdate(valid_from.value)
            assert plane.services.listener.is_old(datetime.now(UTC))
            plane.services.listener = plane.listener()
            assert (await device.ask(plane, post())).status == 200
            assert not device.resumed()
            assert (await device.ask(plane, post())).status == 200
            assert device.resumed()

    async def test_after_its_root_has_gone(self, plane: Bed, version: ssl.TLSVersion) -> None:
        """Even by the listener that trusted it; the next one does not even shake hands."""
        device = await _with_ticket(plane, version)
        plane.directory.authorities = {
            i: a for i, a in plane.directory.authorities.items() if a.authority_type
        }
        await plane.follow()
        answer = await device.ask(plane, post())
        assert (answer.status, answer.get("connection")) == (403, ["close"])
        assert device.resumed()
        assert [r["reason"] for r in plane.audit()] == [Reason.UNTRUSTED_CHAIN]
        plane.services.listener = plane.listener()
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await device.ask(plane, post())

    async def test_after_all_cas_have_been_exchanged(
        self, plane: Bed, version: ssl.TLSVersion
    ) -> None:
        """A ticket vouches for nobody whom the new CAs do not know."""
        device = await _with_ticket(plane, version)
        plane.directory.authorities = {}
        plane.services.listener = plane.listener()
        await plane.follow()
        with pytest.raises(ssl.SSLError):
            await device.ask(plane, post())

    async def test_across_server_names(self, plane: Bed, version: ssl.TLSVersion) -> None:
        """Under another name of the same certificate the ticket is passed over, both ways."""
        name = "gateway.example.test"
        other = post().replace(b"localhost", name.encode(), 1)
        device = await _with_ticket(plane, version)
        assert (await device.ask(plane, other, name=name)).status == 200
        assert not device.resumed()
        assert (await device.ask(plane, other, name=name)).status == 200
        assert device.resumed()
        assert (await device.ask(plane, post())).status == 200
        assert not device.resumed()

    async def test_for_another_host(self, plane: Bed, version: ssl.TLSVersion) -> None:
        """The Host field has to be the name that the ticket is bound to."""
        device = await _with_ticket(plane, version)
        request = post().replace(b"Host: localhost", b"Host: other.example", 1)
        assert (await device.ask(plane, request)).status == 421
        assert device.resumed()

    async def test_as_another_user(self, plane: Bed, version: ssl.TLSVersion) -> None:
        """Each request is judged, also by the User that it names."""
        device = await _with_ticket(plane, version)
        request = post(query="Cmd=Sync&User=bob%40example.test&DeviceId=d1&DeviceType=x")
        assert (await device.ask(plane, request)).status == 403
        assert device.resumed()
