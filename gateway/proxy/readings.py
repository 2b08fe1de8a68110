"""What was read in requests before, remembered: phones repeat themselves on every connection."""

from typing import Final

from gateway.core.eas import EasRequest, with_headers
from gateway.core.target import host_name
from gateway.proxy.messages import RequestHead
from gateway.proxy.routes import Route

_MOST: Final = 4096


class Readings:
    """One instance a worker; what cannot be read is not remembered."""

    def __init__(self) -> None:
        self._hosts: dict[bytes, str] = {}
        self._requests: dict[tuple[bytes, bytes, bytes | None, bytes | None], EasRequest] = {}

    def host_name(self, host: bytes) -> str:
        """As `gateway.core.target.host_name`; raises RequestError."""
        known = self._hosts.get(host)
        if known is None:
            known = host_name(host)
            if len(self._hosts) >= _MOST:
                self._hosts.clear()
            self._hosts[host] = known
        return known

    def request(self, route: Route, head: RequestHead) -> EasRequest:
        """What the query of `route` says, and the fields that belong to it; raises RequestError."""
        version = head.single.get(b"ms-asprotocolversion")
        policy_key = head.single.get(b"x-ms-policykey")
        key = (route.method, route.rest, version, policy_key)
        known = self._requests.get(key)
        if known is None:
            known = with_headers(route.request, protocol_version=version, policy_key=policy_key)
            if len(self._requests) >= _MOST:
                self._requests.clear()
            self._requests[key] = known
        return known
