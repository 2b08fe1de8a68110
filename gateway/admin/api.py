"""The HTTP application for operations: metrics, and whether the gateway lives and can serve."""

from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Missing = Callable[[], Sequence[str]]
"""Gives a sentence for each thing that the gateway lacks to serve; none when it can."""


def create_application(*, registry: CollectorRegistry, missing: Missing) -> web.Application:
    """/metrics in the format that the client accepts, /healthz, and /readyz (200 or 503)."""

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        lacks = list(missing())
        status = 503 if lacks else 200
        return web.json_response({"ready": not lacks, "missing": lacks}, status=status)

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    return application
