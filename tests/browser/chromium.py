"""Debian's Chromium as a phone's owner has it: a narrow screen, and one client certificate."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.browser.pipe import DevTools
from tests.helpers import StoredCertificate
from tests.real.sogo.packages import install_missing

PACKAGES = ("chromium", "libnss3-tools", "fonts-dejavu-core")

_POLICY = Path("/etc/chromium/policies/managed/eas-gateway-test.json")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_END_SECONDS = 20.0


class Tab:
    """A tab that has the width of a phone.

    Attributes:
        status: HTTP status of the page.
        asked: the URLs of everything that the page made the browser ask for, itself included.
        complaints: what the browser's console says about the page.
    """

    def __init__(self, tools: DevTools, width: int, *, dark: bool) -> None:
        self.status = 0
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._tools = tools
        target = tools.call("Target.createTarget", url="about:blank")["targetId"]
        attached = tools.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=780,
            deviceScaleFactor=2,
            mobile=True,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go there, and return when all of the page has come."""
        before = len(self._tools.events)
        result = self._call("Page.navigate", url=url)
        assert "errorText" not in result, result["errorText"]
        self._tools.wait_for("Page.loadEventFired", before)
        for event in self._tools.events[before:]:
            parameters = event.get("params", {})
            if event["method"] == "Network.requestWillBeSent":
                self.asked.append(parameters["request"]["url"])
            elif event["method"] == "Network.responseReceived":
                self.status = parameters["response"]["status"]
            elif event["method"] == "Log.entryAdded":
                self.complaints.append(parameters["entry"]["text"])

    def value(self, expression: str) -> Any:
        """What the expression is in the page."""
        return self._call("Runtime.evaluate", expression=expression)["result"]["value"]

    @property
    def text(self) -> str:
        """All that can be read on the page."""
        return str(self.value("document.body.innerText"))

    def photograph(self, file: Path) -> bytes:
        """The whole page as PNG, which is kept in `file`."""
        taken = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        picture = base64.b64decode(taken["data"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)
        return picture

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        return self._tools.call(method, session=self._session, **parameters)


@contextlib.contextmanager
def running(home: Path, root: Path, device: StoredCertificate) -> Iterator[DevTools]:
    """A browser whose home is the new folder `home`; it trusts `root` and owns `device` alone."""
    home.mkdir()
    _fill_database(home, root, device)
    command = ["chromium", *_OPTIONS, f"--user-data-dir={home / 'profile'}"]
    to_browser, from_here = os.pipe()
    to_here, from_browser = os.pipe()
    # Only a shell can give a program descriptors of a certain number.
    moves = f"exec 3<&{to_browser} 4>&{from_browser}"
    with (home / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f'{moves}; exec "$@"', "bash", *command],
            env=os.environ | {"HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(to_browser, from_browser),
        )
    os.close(to_browser)
    os.close(from_browser)
    tools = DevTools(to_here, from_here)
    try:
        yield tools
        tools.call("Browser.close")
    finally:
        os.close(from_here)
        os.close(to_here)
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def certificate_policy(origins: Sequence[str]) -> Iterator[None]:
    """Browsers that start from now on present their certificate to `origins` without asking."""
    patterns = [json.dumps({"pattern": one, "filter": {}}) for one in origins]
    _POLICY.parent.mkdir(parents=True, exist_ok=True)
    _POLICY.write_text(json.dumps({"AutoSelectCertificateForUrls": patterns}), encoding="utf-8")
    try:
        yield
    finally:
        _POLICY.unlink()


def _fill_database(home: Path, root: Path, device: StoredCertificate) -> None:
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    database = f"sql:{folder}"
    password = home / "password"
    password.write_text("", encoding="ascii")
    _run("certutil", "-N", "-d", database, "--empty-password")
    _run("certutil", "-A", "-d", database, "-n", "root", "-t", "C,,", "-i", str(root))
    bundle = home / "device.p12"
    _run(
        *("openssl", "pkcs12", "-export", "-passout", "pass:", "-out", str(bundle)),
        *("-in", str(device.pem), "-inkey", str(device.key)),
    )
    _run("pk12util", "-i", str(bundle), "-d", database, "-W", "", "-k", str(password))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


if __name__ == "__main__":  # `make test-browser`: Chromium is there
    if shutil.which("chromium") is None or shutil.which("certutil") is None:
        install_missing(PACKAGES)
