"""SIGHUP under load: another configuration, or the old one and a line that says why."""

import shutil
import ssl
from collections.abc import Iterator

import pytest

from tests.blackbox import bed as beds
from tests.blackbox.bed import HOST, Bed, Running, set_up, until
from tests.blackbox.load import load
from tests.real import crl_server


@pytest.fixture
def served(unserved: Bed) -> Iterator[Running]:
    """A gateway with two workers that this test may do anything to."""
    text = unserved.config.read_text().replace("workers = 1", "workers = 2")
    unserved.config.write_text(text)
    with crl_server.serving(unserved.pki.directory) as url:
        set_up(unserved, url)
        with unserved.running() as running:
            yield running


def _server_serial(bed: Bed) -> str:
    """The serial number of the certificate that a new connection sees."""
    with bed.phone() as phone:
        phone.options()
        sock = phone._http.sock
        assert isinstance(sock, ssl.SSLSocket)
        certificate = sock.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


def test_certificate_and_upstream_change_and_nobody_is_cut(
    served: Running,
    mail_port: int,
) -> None:
    """A new server certificate is shown, a new mail server is asked, old connections stay."""
    bed = served.bed
    before = _server_serial(bed)
    with beds.demo_mail_server() as other_port, load(bed) as phones, bed.phone() as kept:
        assert kept.options() == 200
        identity = bed.pki.issuing.issue_server("localhost", HOST)
        (bed.pki.directory / "server.pem").write_bytes(identity.certificate_pem)
        (bed.pki.directory / "server.key").write_bytes(identity.key_pem)
        text = bed.config.read_text().replace(f":{mail_port}", f":{other_port}")
        bed.config.write_text(text)
        served.reload()
        until(lambda: bool(served.events("reload.done")), "it is reloaded")
        assert served.metric("config_reload_success") == 1
        assert _server_serial(bed) != before
        assert kept.options() == 200
        assert kept.connections == 1
        seen = phones.right
        until(lambda: phones.right > seen + 50, "phones are served")
    phones.show("reload")
    assert (phones.wrong, phones.lost, phones.repeated) == ([], 0, 0)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.toml", "[listen]\nport = 'x'\n", "listen.port"),
        ("config.toml", "not toml", "not TOML"),
        ("pki/server.key", "nothing", "listen.private_key"),
        ("pki/server.pem", "nothing", "listen.certificate"),
    ],
)
def test_what_is_broken_changes_nothing(
    gateway: Running, file: str, content: str, words: str
) -> None:
    """One error line names the key; a worker that dies meanwhile comes back as it was."""
    path = gateway.bed.folder / file
    kept = path.with_suffix(".kept")
    shutil.copy(path, kept)
    failures = len(gateway.events("reload.failed"))
    with gateway.bed.phone() as phone:
        assert phone.options() == 200
        path.write_text(content)
        try:
            gateway.reload()
            until(lambda: gateway.metric("config_reload_success") == 0, "the reload has failed")
            [line] = gateway.events("reload.failed")[failures:]
            assert words in line["detail"]
            assert phone.options() == 200
            gateway.kill_and_await_next("worker-1")
            with gateway.bed.phone() as another:
                assert another.options() == 200
        finally:
            kept.rename(path)
        gateway.reload()
        until(lambda: gateway.metric("config_reload_success") == 1, "the next one succeeds")


def test_what_needs_a_restart_is_named_and_kept(gateway: Running) -> None:
    """The port stays, the rest of the file is taken."""
    bed = gateway.bed
    text = bed.config.read_text()
    bed.config.write_text(text.replace(f"port = {bed.port}", "port = 1"))
    try:
        done = len(gateway.events("reload.done"))
        gateway.reload()
        until(lambda: len(gateway.events("reload.done")) > done, "it is reloaded")
        assert gateway.events("reload.needs_restart")[-1]["keys"] == ["listen.port"]
        with bed.phone() as phone:
            assert phone.options() == 200
    finally:
        bed.config.write_text(text)
