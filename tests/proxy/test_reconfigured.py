"""New requests on an old connection go by the new configuration."""

from collections.abc import AsyncIterator

import pytest

from gateway.config import Config
from gateway.core.decision import Reauthentication
from gateway.core.headers import RequestHeaderFilter
from gateway.core.username_binding import BindingRules, CertificateField, UsernameBinding
from gateway.credentials.upstream_user import identity_headers
from gateway.proxy.index import name_key
from gateway.proxy.judge import Judge, Rules
from gateway.proxy.upstreams import Upstreams, build_upstreams
from gateway.tasks import Tasks
from tests.helpers import Pki
from tests.proxy.bed import Bed, MailServer, bed, post


@pytest.fixture
async def plane(pki: Pki) -> AsyncIterator[Bed]:
    """A data plane of this test alone."""
    async with bed(pki) as made:
        yield made


async def _go_over(plane: Bed, mail: MailServer, header: str) -> Upstreams:
    """As a worker does: another mail server, which knows users by another header."""
    url = f"http://127.0.0.1:{mail.port}"
    upstream = plane.upstream.model_copy(update={"url": url, "header": header, "path": "/eas"})
    services = plane.services
    config = Config(upstream=(upstream,))
    services.upstreams = build_upstreams(config, Tasks(), services.observer.host)
    await services.upstreams.resolve()
    services.request_filter = RequestHeaderFilter(identity_headers(upstream))
    plane.changed()
    return services.upstreams


async def test_the_same_head_goes_to_another_server_under_another_name(plane: Bed) -> None:
    """Nothing that was remembered of it is used: a device cannot pass for another user so."""
    forged = post(headers="X-Other-User: bob@example.test\r\n")
    other = MailServer()
    await other.start()
    phone = await plane.phone()
    for _ in range(3):
        await phone.ask(forged)
    upstreams = await _go_over(plane, other, "X-Other-User")
    for _ in range(3):
        assert (await phone.ask(forged)).status == 200
    assert len(plane.mail.requests) == len(other.requests) == 3
    for request in other.requests:
        assert request.line.startswith("POST /eas?")
        assert request.get("x-other-user") == ["alice@example.test"]
        assert request.get("x-remote-user") == []
        assert request.get("host") == [f"127.0.0.1:{other.port}"]
    upstreams.close()
    await other.stop()


async def test_the_limits_of_a_head_are_those_of_now(plane: Bed) -> None:
    """A request that fitted before is answered 431."""
    phone = await plane.phone()
    large = post(headers=f"X-Long: {'x' * 4000}\r\n")
    assert (await phone.ask(large)).status == 200
    plane.services.limits = plane.limits.model_copy(update={"header_bytes": 2048})
    upstreams = await _go_over(plane, plane.mail, "X-Remote-User")
    assert (await phone.ask(large)).status == 431
    upstreams.close()


async def test_a_connection_is_found_by_what_its_certificate_names_now(plane: Bed) -> None:
    """Another binding reads other names in it; a change of whom they name must find it."""
    phone = await plane.phone()
    assert (await phone.ask(post())).status == 200
    fields = (CertificateField.PRINCIPAL_NAME, CertificateField.SKI)
    bindings = BindingRules(tuple(map(UsernameBinding.usual, fields)))
    rules = Rules(bindings, Reauthentication.FRESH_CRL)
    judge = Judge(rules, plane.directory.copy(), plane.crls.copy())
    judge.epoch = plane.judge.epoch + 1
    before = plane.judge
    plane.services.judge = judge
    (connection,) = plane.connections
    assert connection.verdicts is not None
    identity = connection.verdicts._identity
    assert identity is not None
    new = judge.names(identity) - before.names(identity)
    assert new
    assert not any(plane.find(name_key(one)) for one in new)
    await plane.follow()
    assert all(plane.find(name_key(one)) == {connection} for one in judge.names(identity))
