"""TLS as a probe meets it: alerts, hang-ups, and server certificates that phones refuse."""

import errno
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import extension, now
from gateway.pki.identity import rsa_key
from gateway.probe import reach
from gateway.probe.channel import ChannelError
from gateway.probe.host_names import matches, server_names
from gateway.probe.identity import judge
from gateway.probe.outcome import NoAnswer, NotConnected
from gateway.probe.server_chain import chain_problems
from gateway.probe.target import ProbeIdentity, Trust
from gateway.probe.words import issuer_of, listed, name_of, place, printable
from tests.helpers import Pki, san_extension
from tests.probe.broken import ALICE, Surroundings
from tests.probe.endpoints import mail_for, serving, talking, tls_for
from tests.probe.test_steps import outcomes, words_of

DAY = timedelta(days=1)
ROOT = CertificateAuthority.root("Root", not_before=now() - 100 * DAY)


def alert(number: int) -> Callable[[socket.socket], None]:
    """A server that answers every greeting with this alert (RFC 8446 section 6)."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(bytes((21, 3, 3, 0, 2, 2, number)))

    return talk


def hang_up(connection: socket.socket) -> None:
    """A server that ends a connection as soon as it has heard something."""
    connection.recv(1 << 16)


def reset(connection: socket.socket) -> None:
    """A server that breaks a connection off."""
    connection.recv(1 << 16)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class TestNoTls:
    """A handshake that comes to nothing is not about the device's certificate."""

    @pytest.mark.parametrize(
        ("talk", "words"),
        [
            (alert(70), "neither TLS 1.2 nor 1.3"),
            (alert(40), "no cipher in common"),
            (alert(112), "does not know the host name"),
            (alert(80), "the server failed in the handshake"),
            (alert(10), "alert unexpected_message"),
            (hang_up, "closed the connection in the handshake"),
            (reset, "the connection was cut"),
        ],
    )
    def test_cause(
        self, talk: Callable[[socket.socket], None], words: str, around: Surroundings
    ) -> None:
        """The alert in words; without one, what became of the connection."""
        with talking(talk) as port:
            status, report = around.probe(around.at(port))
        assert status == 1
        assert report["cause"]["step"] == "tls"
        assert words in report["cause"]["cause"]


class TestTls12:
    """In TLS 1.2 a server judges the certificate in the handshake."""

    def probe(self, around: Surroundings, name: str, **options: Any) -> dict[str, Any]:
        """A server of TLS 1.2 that demands a certificate."""
        pki = around.pki
        tls = tls_for(str(pki.server.pem), str(pki.server.key), ca=str(pki.root_pem), **options)
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        with serving(mail_for(ALICE), tls) as port:
            return around.probe(around.at(port, name))[1]

    def test_right(self, around: Surroundings) -> None:
        """Every step succeeds there, too."""
        report = self.probe(around, "alice")
        assert "TLSv1.2" in words_of(report, "tls")
        assert outcomes(report)["sync"] == outcomes(report)["no-certificate"] == "ok"

    def test_foreign(self, around: Surroundings) -> None:
        """The server part of TLS is right; the certificate is refused at the sign-in."""
        report = self.probe(around, "foreign")
        assert outcomes(report)["tls"] == "ok"
        assert report["cause"]["step"] == "sign-in"
        assert "refused the device's certificate" in report["cause"]["cause"]
        assert "CN=Foreign root" in report["cause"]["cause"]


def problems(
    chain: Sequence[x509.Certificate], *, host: str = "mail.example.test"
) -> list[tuple[str, bool]]:
    """Cause and weight of what is wrong with a server's chain below `ROOT`."""
    found = chain_problems(chain, host, Trust((ROOT.certificate,), system=False), now())
    return [(one.cause, one.fatal) for one in found]


def server(**options: Any) -> list[x509.Certificate]:
    """The certificate of mail.example.test, ten days old unless `options` say otherwise."""
    usual = {"not_before": now() - 10 * DAY}
    return [ROOT.issue_server("mail.example.test", **{**usual, **options}).certificate]


class TestServerChain:
    """A server's certificate as phones judge it."""

    def test_right(self) -> None:
        """Nothing is wrong."""
        assert problems(server()) == []
        assert problems(server(), host="MAIL.example.test.") == []

    @pytest.mark.parametrize(
        ("options", "words", "fatal"),
        [
            ({"not_before": now() + DAY}, "valid only from", True),
            ({"not_after": now() - DAY}, "expired at", True),
            ({"not_after": now() + 5 * DAY}, "expires soon", False),
            ({"not_after": now() + 900 * DAY}, "Apple's devices take 825", False),
            ({"key": rsa_key(1024)}, "1024 bits", True),
            (
                {
                    "extensions": [
                        extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))
                    ]
                },
                "lacks serverAuth",
                True,
            ),
            ({"omit": [x509.SubjectAlternativeName.oid]}, "but for no name", True),
            ({"extensions": [san_extension((0x87, b"123"))]}, "but for no name", True),
        ],
    )
    def test_wrong(self, options: dict[str, Any], words: str, *, fatal: bool) -> None:
        """Each fault is named, and whether phones refuse it."""
        found = problems(server(**options))
        assert [one for one in found if words in one[0] and one[1] is fatal] != [], found

    def test_expired_ca(self) -> None:
        """A CA of the chain that has ended is named."""
        old = ROOT.intermediate("Old CA", not_before=now() - 90 * DAY, not_after=now() - DAY)
        leaf = old.issue_server("mail.example.test").certificate
        (found,) = problems([leaf, old.certificate])
        assert "the CA certificate CN=Old CA expired" in found[0]

    def test_forged_chain(self) -> None:
        """A chain whose signatures do not fit is not to be trusted."""
        forged = CertificateAuthority.root("Root").issue_server("mail.example.test").certificate
        (found,) = problems([forged])
        assert "trusted" in found[0] or "known CA" in found[0]


class TestNames:
    """Which host a certificate is for."""

    @pytest.mark.parametrize(
        ("host", "name", "expected"),
        [
            ("a.example.test", "*.example.test", True),
            ("a.b.example.test", "*.example.test", False),
            ("example.test", "*.example.test", False),
            ("::1", "0:0:0:0:0:0:0:1", True),
            ("127.0.0.1", "localhost", False),
        ],
    )
    def test_matches(self, host: str, name: str, *, expected: bool) -> None:
        """A wildcard stands for one label; addresses are compared as such."""
        assert matches(host, name) is expected

    def test_server_names(self, pki: Pki) -> None:
        """DNS names, then addresses."""
        assert server_names(pki.server.certificate) == [
            "localhost",
            "gateway.example.test",
            "127.0.0.1",
            "::1",
        ]


class TestReach:
    """Why there is no connection, by what the system says."""

    def test_no_reply(self) -> None:
        """Nothing comes back: a firewall drops it, most likely."""
        found = reach._problem("192.0.2.1", 443, ChannelError(NoAnswer(5)))
        assert "no reply within 5 s" in found.cause
        assert "firewall" in found.advice

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.ECONNREFUSED, "nothing listens"),
            (errno.EHOSTUNREACH, "there is no way to"),
            (errno.EMFILE, "no connection to"),
        ],
    )
    def test_error(self, number: int, words: str) -> None:
        """By the number of the error."""
        error = ChannelError(NotConnected("x"))
        error.__cause__ = OSError(number, "x")
        assert words in reach._problem("192.0.2.1", 443, error).cause

    def test_name_server(self) -> None:
        """A name server that is not there is no name that is not there."""
        result = reach._unknown("mail.test", socket.gaierror(socket.EAI_AGAIN, "later"))
        assert "DNS could not be asked" in result.problems[0].cause
        result = reach._unknown("mail.test", socket.gaierror(socket.EAI_NONAME, "unknown"))
        assert "has no address in DNS" in result.problems[0].cause


class TestDeviceCertificate:
    """What is wrong with a certificate, whoever it is shown to."""

    def causes(self, identity: ProbeIdentity) -> str:
        """All causes."""
        return "\n".join(one.cause for one in judge(identity, now()).problems)

    def test_of_a_ca(self) -> None:
        """A CA's certificate is no device's."""
        assert "is a CA's" in self.causes(ProbeIdentity(ROOT.certificate, ROOT.key))

    def test_of_another_key(self) -> None:
        """A key of another certificate."""
        issued, other = ROOT.issue_device(upn=ALICE), ROOT.issue_device(upn=ALICE)
        found = self.causes(ProbeIdentity(issued.certificate, other.key))
        assert found == "the key does not belong to the certificate"

    def test_soon_to_end(self) -> None:
        """A certificate in its last month."""
        issued = ROOT.issue_device(upn=ALICE, not_after=now() + 9 * DAY)
        found = judge(ProbeIdentity(issued.certificate, issued.key), now())
        assert found.outcome == "warning"

    def test_unreadable(self) -> None:
        """A SAN that cannot be read makes it unusable."""
        issued = ROOT.issue_device(extensions=[san_extension((0x81, b"\xff"))])
        found = judge(ProbeIdentity(issued.certificate, issued.key), now())
        assert "cannot be used" in found.problems[0].cause


class TestWords:
    """Text from elsewhere."""

    def test_printable(self) -> None:
        """Cut, and without what a terminal obeys."""
        assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
        assert printable("x" * 300) == f"{'x' * 200}..."

    def test_listed(self) -> None:
        """The first six, and how many more."""
        assert listed("abcdefgh") == "a, b, c, d, e, f and 2 more"

    @pytest.mark.parametrize(
        ("location", "expected"),
        [
            ("https://u:p@a.test/x?t=secret#y", "https://a.test/x"),
            ("/relative?t=secret", "/relative"),
            ("https://[", "an address that cannot be read"),
        ],
    )
    def test_place(self, location: str, expected: str) -> None:
        """No user, query or fragment."""
        assert place(location) == expected

    def test_names(self) -> None:
        """Subject and issuer; the serial number where there is no subject."""
        assert (name_of(ROOT.certificate), issuer_of(ROOT.certificate)) == ("CN=Root", "CN=Root")
