"""Connections are found by whom and what they serve."""

from gateway.core.difference import Difference
from gateway.proxy.index import ConnectionIndex, certificate_key, device_key, name_key


def test_touched() -> None:
    """By mailbox, certificate or device, each by its own, and nobody else."""
    index: ConnectionIndex[str] = ConnectionIndex()
    index.file("alice", (name_key("a@x.test"), certificate_key("ca", 1), device_key("phone")))
    index.file("bob", (name_key("b@x.test"), certificate_key("ca", 2), device_key("tab")))
    index.file("both", (name_key("c@x.test"), device_key("tab"), device_key("phone")))
    assert index.touched(Difference(devices=frozenset({"phone"}))) == {"alice", "both"}
    assert index.touched(Difference(devices=frozenset({"a@x.test", "other"}))) == frozenset()
    change = Difference(names=frozenset({"a@x.test"}), devices=frozenset({"tab"}))
    assert index.touched(change) == {"alice", "bob", "both"}
    assert index.touched(Difference(certificates=frozenset({("ca", 2)}))) == {"bob"}


def test_forgotten() -> None:
    """A connection that has ended, or serves another device now, is not found by the old one."""
    index: ConnectionIndex[str] = ConnectionIndex()
    index.file("alice", (device_key("phone"),))
    index.file("alice", (device_key("tab"),))
    assert index.touched(Difference(devices=frozenset({"phone"}))) == frozenset()
    index.forget("alice")
    assert index.touched(Difference(devices=frozenset({"tab"}))) == frozenset()
