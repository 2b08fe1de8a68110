"""The listener for operations answers what probes and Prometheus ask."""

from collections.abc import Sequence

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from gateway.admin.api import create_application


def _server(missing: Sequence[str] = ()) -> TestServer:
    registry = CollectorRegistry()
    Gauge("things", "Some.", registry=registry).set(3)
    return TestServer(create_application(registry=registry, missing=lambda: missing))


async def test_metrics_are_in_the_text_format() -> None:
    """Any Prometheus can read it."""
    async with TestClient(_server()) as client, client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        [family] = text_string_to_metric_families(await answer.text())
        assert (family.name, family.samples[0].value) == ("things", 3)


async def test_metrics_are_in_openmetrics_if_asked_for() -> None:
    """The client says which formats it reads."""
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with TestClient(_server()) as client, client.get("/metrics", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await answer.text()).endswith("# EOF\n")


async def test_it_is_alive_whatever_is_missing() -> None:
    """A restart of the process would not bring a root CA."""
    server = _server(["no root CA is known"])
    async with TestClient(server) as client, client.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})


@pytest.mark.parametrize(("missing", "status"), [([], 200), (["no root CA is known"], 503)])
async def test_it_is_ready_when_nothing_is_missing(missing: list[str], status: int) -> None:
    """A load balancer looks at the status, a person at the sentences."""
    async with TestClient(_server(missing)) as client, client.get("/readyz") as answer:
        assert answer.status == status
        assert await answer.json() == {"ready": not missing, "missing": missing}


async def test_nothing_else_is_there() -> None:
    """The admin listener is no file server, and changes nothing yet."""
    async with TestClient(_server()) as client:
        async with client.get("/") as answer:
            assert answer.status == 404
        async with client.post("/readyz") as answer:
            assert answer.status == 405
