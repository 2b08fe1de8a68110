"""`[limits]`: what one phone, mailbox or address may cost, and when a worker has too much to do."""

from typing import Annotated

from pydantic import Field

from gateway.config_section import Section

_Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=10_000_000)]
"""At most so many; 0 is no limit."""


class Limits(Section):
    """`[limits]`: what is too much; all but `connections` and `buffered_bytes` of a whole node."""

    header_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = 32 * 1024
    header_count: Annotated[int, Field(ge=10, le=1000)] = 100
    body_bytes: Annotated[int, Field(ge=1024)] = 100 * 1024 * 1024
    small_body_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024
    buffered_bytes: Annotated[int, Field(ge=1024)] = 512 * 1024 * 1024
    header_timeout_seconds: _Seconds = 30
    body_timeout_seconds: _Seconds = 120
    idle_timeout_seconds: Annotated[float, Field(ge=1, le=86400, allow_inf_nan=False)] = 3900
    connections: Annotated[int, Field(ge=1)] = 16000
    connections_address: _Count = 8000
    connections_certificate: _Count = 100
    requests_per_minute_device: _Count = 3000
    request_burst_device: _Count = 1000
    requests_per_minute_mailbox: _Count = 12000
    request_burst_mailbox: _Count = 5000
    concurrent_requests_device: _Count = 32
    concurrent_requests_mailbox: _Count = 400
    held_requests_device: _Count = 10
    held_requests_mailbox: _Count = 150
    shed_loop_lag_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 1
    shed_handshakes: _Count = 2000
