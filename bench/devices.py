"""One process of simulated devices: an order as its argument, what was seen as JSON on stdout.

It ends after the seconds of its order, or with SIGTERM before; what is under way then is not seen.
"""

import asyncio
import base64
import gc
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import uvloop
from cryptography import x509

from bench.device import Device, Surroundings
from bench.fleet_phone import client_context, read_key
from bench.habits import Habits
from bench.seen import Seen

_AT_ONCE = 24


@dataclass(frozen=True)
class DevicesOrder:
    """Which devices there are, and for how long.

    Attributes:
        port: of the server on 127.0.0.1; `address` is the local one that devices come from.
        phones: a file with a line for each device: its mailbox, and its certificate as DER in
            base64; `first` and `count` say which lines are this process's.
        trusted, key: PEM files, the root CA and the key of all of the certificates.
        began: of the run, on the monotonic clock; `seconds` long, and devices begin over `ramp`.
        seed: the same devices do the same with the same one, as far as the server lets them.
    """

    port: int
    phones: str
    trusted: str
    key: str
    first: int
    count: int
    began: float
    seconds: float
    ramp: float
    habits: Habits
    seed: int = 0
    address: str = "127.0.0.1"

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "DevicesOrder":
        """What `to_json` has written."""
        values = json.loads(text)
        return cls(**values | {"habits": Habits(**values["habits"])})


async def run(order: DevicesOrder) -> Seen:
    """Let all devices live until the run is over, or SIGTERM."""
    around = _surroundings(order)
    seen = around.seen
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    left = order.began + order.seconds - time.monotonic()
    loop.call_later(max(0.0, left), over.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(device.live()) for device in _devices(order, around)]
        tasks.append(group.create_task(_watch(seen)))
        gc.freeze()
        await over.wait()
        for task in tasks:
            task.cancel()
    return seen


def _surroundings(order: DevicesOrder) -> Surroundings:
    return Surroundings(
        port=order.port,
        address=order.address,
        ramp=order.ramp,
        context=client_context(order.trusted),
        key=read_key(order.key),
        gate=asyncio.Semaphore(_AT_ONCE),
        habits=order.habits,
        seen=Seen(order.began, order.seconds),
    )


def _devices(order: DevicesOrder, around: Surroundings) -> list[Device]:
    lines = Path(order.phones).read_text(encoding="ascii").splitlines()
    found = []
    for number in range(order.first, order.first + order.count):
        mailbox, _, certificate = lines[number].partition(" ")
        read = x509.load_der_x509_certificate(base64.b64decode(certificate))
        chance = Random(f"{order.seed} {number}")  # the same each time, for whoever looks again
        found.append(Device(around, f"SIM{number:06d}", mailbox, read, chance))
    return found


async def _watch(seen: Seen) -> None:
    """Note at the end of each slice how many Pings are held."""
    while True:
        seen.note_held(time.monotonic())
        await asyncio.sleep(seen.slice_seconds / 2)


def main() -> None:
    """Be one process of devices."""
    seen = uvloop.run(run(DevicesOrder.from_json(sys.argv[1])))
    sys.stdout.write(json.dumps(seen.to_json()))


if __name__ == "__main__":
    main()
