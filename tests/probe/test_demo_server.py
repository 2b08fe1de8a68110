"""The demo mail server, asked by the demo device over loopback."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict, Unpack

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.core.wbxml import Element, decode, element, encode
from gateway.probe.demo_mailbox import INBOX, SENT, DemoMailboxes
from gateway.probe.demo_server import demo_application
from gateway.probe.device import Device
from gateway.probe.outcome import (
    Capabilities,
    Folders,
    NotConnected,
    Pinged,
    Provisioned,
    Refused,
    Sent,
    Synced,
)
from tests.probe.serving import naming, phone, serve

ALICE = "alice@example.test"
BOB = "bob@example.test"
QUERY = "/Microsoft-Server-ActiveSync?Cmd={}&User=u&DeviceId=RAW1&DeviceType=t"


class Options(TypedDict, total=False):
    """What a test may vary of the server."""

    mailboxes: DemoMailboxes
    minimum_heartbeat: int
    policy_required: bool


@asynccontextmanager
async def device_of(user: str, **options: Unpack[Options]) -> AsyncIterator[Device]:
    """A device whose gateway names `user` to a demo mail server."""
    app = demo_application(**options)
    app.middlewares.append(naming(user))
    async with serve(app) as url, phone(url) as device:
        yield device


async def raw(url: str, command: str, root: Element | bytes | None, user: str = ALICE) -> Element:
    """The answer to a command that the device does not send this way."""
    body = encode(root) if isinstance(root, Element) else root
    headers = {"X-Remote-User": user}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + QUERY.format(command), data=body, headers=headers) as response,
    ):
        assert response.status == 200
        return decode(await response.read())


class TestOptions:
    """What it says of itself."""

    async def test_names_versions_and_commands(self) -> None:
        """OPTIONS lists both, and is answered at any spelling of the path."""
        async with device_of(ALICE) as device:
            device.url += "/MICROSOFT-server-activesync"
            outcome = await device.options()
        assert isinstance(outcome, Capabilities)
        assert outcome.versions == ("14.0", "14.1")
        assert {"Sync", "Ping", "SendMail", "Provision", "FolderSync"} <= set(outcome.commands)


class TestIdentity:
    """Who the user is."""

    @pytest.mark.parametrize("names", [[], [""], [ALICE, BOB]], ids=["none", "empty", "two"])
    async def test_refused_unless_named_once(self, names: list[str]) -> None:
        """Without one name in the identity header nobody is served."""
        async with serve(demo_application()) as url, aiohttp.ClientSession() as session:
            headers = [("X-Remote-User", name) for name in names]
            async with session.options(url + QUERY.format("Sync"), headers=headers) as response:
                assert response.status == 403

    async def test_header_counts_and_user_does_not(self) -> None:
        """The mailbox is that of the header, whatever User the query names."""
        async with device_of("BOB@example.test") as device:
            synced = await device.sync(INBOX.server_id)
        assert isinstance(synced, Synced)
        assert [mail.to for mail in synced.messages] == ["BOB@example.test"]

    async def test_letter_case_makes_no_second_mailbox(self) -> None:
        """A name in other letter case is the same mailbox."""
        mailboxes = DemoMailboxes()
        assert mailboxes.of("Alice@Example.Test ") is mailboxes.of(ALICE)
        assert mailboxes.of(BOB) is not mailboxes.of(ALICE)


class TestRequests:
    """Requests that it does not serve."""

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", QUERY.format("Sync"), 501),
            ("POST", QUERY.format("Search"), 501),
            ("POST", "/Microsoft-Server-ActiveSync?Cmd=Sync&User=u", 400),
            ("POST", "/Microsoft-Server-ActiveSync", 400),
            ("POST", "/elsewhere", 404),
        ],
    )
    async def test_status(self, method: str, path: str, status: int) -> None:
        """Each has the status that MS-ASHTTP gives it."""
        async with serve(demo_application()) as url, aiohttp.ClientSession() as session:
            headers = {"X-Remote-User": ALICE}
            async with session.request(method, url + path, headers=headers) as response:
                assert response.status == status

    async def test_body_that_is_no_wbxml(self) -> None:
        """A body that cannot be read gets status 102."""
        async with serve(demo_application()) as url:
            answer = await raw(url, "FolderSync", b"<FolderSync/>")
        assert answer.text_at("FolderHierarchy:Status") == "102"


class TestProvision:
    """The policy, in two phases."""

    async def test_device_gets_a_final_key(self) -> None:
        """The final key is another than the temporary one, and opens the mailbox."""
        async with device_of(ALICE, policy_required=True) as device:
            assert await device.folder_sync() == Folders(142)
            provisioned = await device.provision()
            assert isinstance(provisioned, Provisioned)
            assert (provisioned.status, provisioned.policy_status) == (1, 1)
            assert provisioned.policy_key == device.policy_key != 0
            folders = await device.folder_sync()
            assert isinstance(folders, Folders)
            assert folders.status == 1

    async def test_wrong_key(self) -> None:
        """A key that was not the one given is refused with status 144."""
        async with device_of(ALICE, policy_required=True) as device:
            await device.provision()
            device.policy_key += 1
            assert await device.sync(INBOX.server_id) == Synced(144)

    @pytest.mark.parametrize(
        ("parts", "status"),
        [
            ([("PolicyType", "MS-WAP-Provisioning-XML")], "3"),
            ([("PolicyType", "MS-EAS-Provisioning-WBXML"), ("PolicyKey", "7")], "5"),
        ],
        ids=["unknown type", "key never offered"],
    )
    async def test_policy_status(self, parts: list[tuple[str, str]], status: str) -> None:
        """What is wrong with a policy is said inside Policy."""
        policy = element(
            "Provision:Policy", *(element(f"Provision:{tag}", text) for tag, text in parts)
        )
        root = element("Provision:Provision", element("Provision:Policies", policy))
        async with serve(demo_application()) as url:
            answer = await raw(url, "Provision", root)
        path = ("Provision:Policies", "Provision:Policy", "Provision:Status")
        assert answer.text_at("Provision:Status") == "1"
        assert answer.text_at(*path) == status

    async def test_nothing_to_wipe(self) -> None:
        """An empty Provision, which asks for a wipe, gets none."""
        async with serve(demo_application()) as url:
            answer = await raw(url, "Provision", element("Provision:Provision"))
        assert answer == element("Provision:Provision", element("Provision:Status", "1"))


class TestFolderSync:
    """The folders."""

    async def test_folders_come_once(self) -> None:
        """The first time every folder comes, an inbox among them; then none."""
        async with device_of(ALICE) as device:
            first = await device.folder_sync()
            second = await device.folder_sync()
        assert isinstance(first, Folders)
        assert ("1", "Inbox", 2) in [(one.server_id, one.name, one.type) for one in first.folders]
        assert len(first.folders) == 5
        assert second == Folders(1)

    async def test_unknown_key(self) -> None:
        """A key that was never given gets status 9."""
        root = element("FolderHierarchy:FolderSync", element("FolderHierarchy:SyncKey", "77"))
        async with serve(demo_application()) as url:
            answer = await raw(url, "FolderSync", root)
        assert answer.text_at("FolderHierarchy:Status") == "9"


def collection(key: str, folder: str = "1", *parts: Element) -> Element:
    """A Sync of one folder."""
    inside = (element("AirSync:SyncKey", key), element("AirSync:CollectionId", folder), *parts)
    return element(
        "AirSync:Sync", element("AirSync:Collections", element("AirSync:Collection", *inside))
    )


class TestSync:
    """The messages."""

    async def test_welcome_and_then_nothing(self) -> None:
        """The first sync shows the welcome message, the next is empty."""
        async with device_of(ALICE) as device:
            first = await device.sync(INBOX.server_id)
            second = await device.sync(INBOX.server_id)
        assert isinstance(first, Synced)
        assert [(mail.subject, mail.to) for mail in first.messages] == [("Welcome", ALICE)]
        assert second == Synced(1)

    async def test_unchanged_is_an_empty_body(self) -> None:
        """Nothing new is HTTP 200 with no body at all."""
        headers = {"X-Remote-User": ALICE}
        async with serve(demo_application()) as url, aiohttp.ClientSession() as session:
            body = encode(collection("2"))
            where = url + QUERY.format("Sync")
            async with session.post(where, data=body, headers=headers) as response:
                assert (response.status, await response.read()) == (200, b"")

    async def test_repeated_request_gets_its_answer_again(self) -> None:
        """The same key twice, as after a lost answer, gives the same message twice."""
        async with serve(demo_application()) as url:
            answers = [await raw(url, "Sync", collection("1")) for _ in range(2)]
        assert answers[0] == answers[1]
        path = ("AirSync:Collections", "AirSync:Collection")
        assert answers[0].text_at(*path, "AirSync:SyncKey") == "2"
        assert answers[0].text_at(*path, "AirSync:CollectionId") == "1"
        added = ("AirSync:Commands", "AirSync:Add", "AirSync:ApplicationData", "Email:Subject")
        assert answers[0].text_at(*path, *added) == "Welcome"

    async def test_window(self) -> None:
        """More messages than the window come in parts, and MoreAvailable says so."""
        mailboxes = DemoMailboxes()
        welcome = mailboxes.of(ALICE).messages("1")
        assert welcome is not None
        mailboxes.of(ALICE).put(INBOX, welcome[0])
        window = element("AirSync:WindowSize", "1")
        path = ("AirSync:Collections", "AirSync:Collection")
        async with serve(demo_application(mailboxes=mailboxes)) as url:
            first = await raw(url, "Sync", collection("1", "1", window))
            second = await raw(url, "Sync", collection("2", "1", window))
        assert first.find(*path, "AirSync:MoreAvailable") is not None
        assert second.find(*path, "AirSync:MoreAvailable") is None
        assert second.text_at(*path, "AirSync:SyncKey") == "3"

    @pytest.mark.parametrize(
        ("key", "folder", "status"),
        [("9", "1", "3"), ("x", "1", "3"), ("9" * 5000, "1", "3"), ("0", "99", "8")],
    )
    async def test_refused_collection(self, key: str, folder: str, status: str) -> None:
        """A wrong key and an unknown folder have their own status in the collection."""
        async with serve(demo_application()) as url:
            answer = await raw(url, "Sync", collection(key, folder))
        path = ("AirSync:Collections", "AirSync:Collection", "AirSync:Status")
        assert answer.text_at(*path) == status

    async def test_class_is_answered_where_it_was_asked(self) -> None:
        """A client that names the class, as up to 12.1, finds it in the answer."""
        async with serve(demo_application()) as url:
            asked = collection("0", "1", element("AirSync:Class", "Email"))
            answer = await raw(url, "Sync", asked)
        path = ("AirSync:Collections", "AirSync:Collection", "AirSync:Class")
        assert answer.text_at(*path) == "Email"

    async def test_empty_request_repeats_the_folders(self) -> None:
        """A Sync without a body means the folders of before, and is incomplete without any."""
        mailboxes = DemoMailboxes()
        async with serve(demo_application(mailboxes=mailboxes)) as url:
            assert (await raw(url, "Sync", None)).text_at("AirSync:Status") == "13"
            await raw(url, "Sync", collection("0"))
            again = await raw(url, "Sync", None)
        path = ("AirSync:Collections", "AirSync:Collection", "AirSync:SyncKey")
        assert again.text_at(*path) == "2"

    async def test_no_collection(self) -> None:
        """A Sync of no folder at all is a protocol error."""
        async with serve(demo_application()) as url:
            answer = await raw(url, "Sync", element("AirSync:Sync"))
        assert answer.text_at("AirSync:Status") == "4"


class TestGetItemEstimate:
    """How much a Sync would bring."""

    @pytest.mark.parametrize(
        ("folder", "key", "status", "estimate"),
        [("1", "1", "1", "1"), ("1", "2", "1", "0"), ("99", "1", "2", None), ("1", "0", "4", None)],
    )
    async def test_estimate(self, folder: str, key: str, status: str, estimate: str | None) -> None:
        """The messages since the key are counted; a bad folder or key has its status."""
        one = element(
            "GetItemEstimate:Collection",
            element("AirSync:SyncKey", key),
            element("GetItemEstimate:CollectionId", folder),
        )
        root = element(
            "GetItemEstimate:GetItemEstimate", element("GetItemEstimate:Collections", one)
        )
        async with serve(demo_application()) as url:
            answer = await raw(url, "GetItemEstimate", root)
        path = ("GetItemEstimate:Response",)
        assert answer.text_at(*path, "GetItemEstimate:Status") == status
        counted = (*path, "GetItemEstimate:Collection", "GetItemEstimate:Estimate")
        assert answer.text_at(*counted) == estimate


class TestSendMail:
    """Mail from one mailbox to another."""

    async def test_arrives_and_is_kept(self) -> None:
        """It comes from who really sent it, into the inbox and the sender's Sent Items."""
        mailboxes = DemoMailboxes()
        async with (
            device_of(ALICE, mailboxes=mailboxes) as alice,
            device_of(BOB, mailboxes=mailboxes) as bob,
        ):
            assert await alice.send_mail(BOB, "Gr\u00fc\u00dfe", "a \u20ac body") == Sent(1)
            received = await bob.sync(INBOX.server_id)
            kept = await alice.sync(SENT.server_id)
        assert isinstance(received, Synced)
        mail = received.messages[-1]
        assert (mail.sender, mail.to) == (ALICE, BOB)
        assert (mail.subject, mail.body.strip()) == ("Gr\u00fc\u00dfe", "a \u20ac body")
        assert isinstance(kept, Synced)
        assert [one.subject for one in kept.messages] == ["Gr\u00fc\u00dfe"]

    @pytest.mark.parametrize(
        ("parts", "status"),
        [
            ([], "103"),
            ([element("ComposeMail:Mime", b"Subject: no one\r\n\r\nx")], "119"),
            (
                [
                    element(
                        "ComposeMail:Mime",
                        b"To: " + b",".join(b"u%d@b.test" % n for n in range(101)) + b"\r\n\r\n",
                    )
                ],
                "107",
            ),
        ],
        ids=["no message", "no recipient", "too many recipients"],
    )
    async def test_refused(self, parts: list[Element], status: str) -> None:
        """A message that cannot be delivered has a status, and the answer says so."""
        async with serve(demo_application()) as url:
            answer = await raw(url, "SendMail", element("ComposeMail:SendMail", *parts))
        assert answer.text_at("ComposeMail:Status") == status

    async def test_full_mailbox(self) -> None:
        """A folder that can take no more is HTTP 507."""
        mailboxes = DemoMailboxes()
        welcome = mailboxes.of(BOB).messages(INBOX.server_id)
        assert welcome is not None
        for _ in range(999):
            mailboxes.of(BOB).put(INBOX, welcome[0])
        async with device_of(ALICE, mailboxes=mailboxes) as alice:
            assert await alice.send_mail(BOB, "one too many") == Refused(507)


class TestPing:
    """The held request."""

    async def test_answered_when_mail_arrives(self) -> None:
        """A Ping of a minute is answered as soon as a message comes."""
        mailboxes = DemoMailboxes()
        async with (
            device_of(ALICE, mailboxes=mailboxes) as alice,
            device_of(BOB, mailboxes=mailboxes) as bob,
            asyncio.timeout(20),
        ):
            await alice.sync(INBOX.server_id)
            pinged, sent = await asyncio.gather(
                alice.ping((INBOX.server_id,), 60), bob.send_mail(ALICE, "wake up")
            )
            synced = await alice.sync(INBOX.server_id)
        assert (pinged, sent) == (Pinged(2, (INBOX.server_id,)), Sent(1))
        assert isinstance(synced, Synced)
        assert [mail.subject for mail in synced.messages] == ["wake up"]

    async def test_interval_ends(self) -> None:
        """With nothing new the answer is status 1 when the interval is over."""
        async with device_of(ALICE, minimum_heartbeat=1) as device:
            await device.sync(INBOX.server_id)
            assert await device.ping((INBOX.server_id,), 1) == Pinged(1)

    @pytest.mark.parametrize(("asked", "nearest"), [(59, 60), (3541, 3540)])
    async def test_interval_out_of_range(self, asked: int, nearest: int) -> None:
        """An interval outside the bounds is status 5 with the nearest one inside."""
        async with device_of(ALICE) as device:
            assert await device.ping(("1",), asked) == Pinged(5, heartbeat=nearest)

    async def test_parameters_are_remembered(self) -> None:
        """A Ping without a body means the one before; without one before it is status 3."""
        asked = element(
            "Ping:Ping",
            element("Ping:HeartbeatInterval", "60"),
            element("Ping:Folders", element("Ping:Folder", element("Ping:Id", "1"))),
        )
        async with serve(demo_application()) as url, asyncio.timeout(20):
            assert (await raw(url, "Ping", None)).text_at("Ping:Status") == "3"
            first = await raw(url, "Ping", asked)
            assert await raw(url, "Ping", None) == first
        assert first.text_at("Ping:Status") == "2"

    async def test_ends_with_the_server(self) -> None:
        """A held Ping is answered with status 1 when the server shuts down."""
        held = asyncio.Event()

        @web.middleware
        async def noting(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.query.get("Cmd") == "Ping":
                held.set()
            return await handler(request)

        app = demo_application()
        app.middlewares.extend([noting, naming(ALICE)])
        async with serve(app) as url, phone(url) as device, asyncio.timeout(20):
            await device.sync(INBOX.server_id)

            async def shut_down() -> None:
                await held.wait()
                await app.shutdown()

            pinged, _ = await asyncio.gather(device.ping((INBOX.server_id,), 60), shut_down())
        assert pinged == Pinged(1)


def free_port() -> int:
    """A port that nothing listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def start(port: int) -> asyncio.subprocess.Process:
    """The demo mail server as a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.probe.demo_server",
        "--port",
        str(port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


class TestProcess:
    """`python -m gateway.probe.demo_server`."""

    async def test_serves_until_sigterm(self) -> None:
        """It serves, prints nothing, and ends with exit status 0 on SIGTERM."""
        port = free_port()
        process = await start(port)
        try:
            async with asyncio.timeout(30), phone(f"http://127.0.0.1:{port}") as device:
                for _ in range(200):
                    outcome = await device.options()
                    if not isinstance(outcome, NotConnected):
                        break
                    await asyncio.sleep(0.05)
                process.send_signal(signal.SIGTERM)
                printed = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert outcome == Refused(403)
        assert (process.returncode, printed) == (0, (b"", b""))

    async def test_port_in_use(self) -> None:
        """A port that is taken is one clear line that names the option."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            process = await start(port)
            _, printed = await process.communicate()
        assert process.returncode == 1
        assert printed.decode().startswith(f"Error: --port {port} cannot be used")
        assert len(printed.splitlines()) == 1
