"""What a probe has found out so far, for the steps that come after."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from yarl import URL

from gateway.probe.device import Device
from gateway.probe.target import Plan, ProbeIdentity, Target
from gateway.probe.transport import Call
from gateway.probe.wire import Wire

_DEVICE_TYPE = "EASGatewayProbe"


@dataclass(slots=True)
class State:
    """One probe under way.

    Attributes:
        addresses, address: of the host; the one that takes connections.
        versions, commands: what the server announced.
        version: the highest that both know; empty if none.
        inbox: the server id of the inbox.
    """

    target: Target
    plan: Plan
    clock: Callable[[], datetime]
    addresses: tuple[str, ...] = ()
    address: str = ""
    wire: Wire | None = None
    versions: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    version: str = ""
    inbox: str | None = None
    device: Device | None = field(default=None, repr=False)

    def connected(self) -> Wire:
        """The device's connection; it is there once an address is."""
        if self.wire is None:
            self.wire = self.new_wire(self.target.identity)
        return self.wire

    @property
    def is_gateway(self) -> bool:
        """Whether an answer had this gateway's reference id."""
        return self.wire is not None and self.wire.is_gateway

    def new_wire(self, identity: ProbeIdentity | None) -> Wire:
        """A connection of another device, which shows `identity`; to be closed."""
        return Wire(self.target, self.address, identity, self.plan.timeout)

    def new_device(
        self, wire: Wire, version: str, *, user: str | None, base64_query: bool = False
    ) -> Device:
        """A device on that connection."""
        return Device(
            url=self.target.url,
            user=user,
            device_id=self.plan.device_id,
            device_type=_DEVICE_TYPE,
            protocol_version=version,
            base64_query=base64_query,
            timeout_seconds=self.plan.timeout,
            transport=wire.exchange,
        )

    def call(self, method: str, path: str, body: bytes | None = None, **fields: str) -> Call:
        """A request for a path of the target; underscores in `fields` are hyphens."""
        url = URL(f"{self.target.origin}{path}", encoded=True)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        return Call(method, url, headers, body, self.plan.timeout)
