"""`[devices]` of config.toml: which devices may sync, and with what they are tied together."""

from typing import Annotated

from pydantic import Field

from gateway.config_section import FROM_TOML, Section
from gateway.core.device import MOST_PARTNERSHIPS, Access
from gateway.core.device_access import DevicePolicy, Pin


class Devices(Section):
    """`[devices]`: which devices may sync a mailbox, where no rule says it."""

    default_access: Annotated[Access, FROM_TOML] = Access.ALLOW
    per_mailbox: Annotated[int, Field(ge=0, le=MOST_PARTNERSHIPS)] = 20
    pin: Annotated[Pin, FROM_TOML] = Pin.NONE
    pin_allows_renewal: bool = True
    one_mailbox_a_device: bool = False

    @property
    def policy(self) -> DevicePolicy:
        """What devices are judged by."""
        return DevicePolicy(
            default_access=self.default_access,
            limit=self.per_mailbox,
            pin=self.pin,
            pin_allows_renewal=self.pin_allows_renewal,
            one_mailbox_a_device=self.one_mailbox_a_device,
        )
