"""A process of which one part has failed is replaced: it does not go on by half."""

from pathlib import Path

from tests.blackbox.bed import Running, until


def _settings(pid: int) -> Path:
    """The settings that the supervisor shares with its processes, as a file."""
    for path in Path(f"/proc/{pid}/fd").iterdir():
        if str(path.readlink()).startswith("/memfd:settings"):
            return path
    raise AssertionError("it has no settings")


def test_worker_and_control_are_replaced(gateway: Running) -> None:
    """Nothing can be read where the settings were: an error that none of their tasks expects."""
    shared = _settings(gateway.child("worker-1"))
    content = shared.read_bytes()
    before = {name: gateway.child(name) for name in ("worker-1", "control")}
    failures = len(gateway.events("task.failed"))
    with shared.open("r+b") as file:
        file.truncate()
        until(lambda: len(gateway.events("task.failed")) == failures + 2, "a task of each fails")
        file.write(content)
    until(lambda: all(gateway.child(name) != pid for name, pid in before.items()), "others run")
    until(gateway.is_ready, "it serves again")
    died = [one for one in gateway.events("process.died") if one["how"] == "exit code 1"]
    assert {one["name"] for one in died} == set(before)
    with gateway.bed.phone() as phone:
        assert phone.options() == 200
