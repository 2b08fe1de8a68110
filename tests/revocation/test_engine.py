"""The engine over real sockets and files: what is put in force, and what stays."""

import asyncio
import json
import resource
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Revocation as Settings
from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.core.certificate import ClientCertificate
from gateway.core.crl import CrlKind
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.lock import exclusive
from gateway.revocation.view import RevocationView
from tests.core.crl_samples import authority_of
from tests.revocation.crl_server import CrlServer, hang

CA = CertificateAuthority.root("Issuing CA")
OTHER = CertificateAuthority.root("Other CA")
SETTINGS = Settings(download_limit_bytes=100_000, download_timeout_seconds=5)
ALICE = ClientCertificate.from_x509(CA.issue_device(upn="alice@example.test").certificate)
HOUR = timedelta(hours=1)
LISTED = [Revocation(serial_number=ALICE.serial_number)]
REVOKED, GOOD, UNKNOWN = (
    RevocationState.REVOKED,
    RevocationState.GOOD,
    RevocationState.UNKNOWN,
)


def crl(
    revoked: Sequence[Revocation] = (),
    *,
    number: int = 1,
    ca: CertificateAuthority = CA,
    age: timedelta = HOUR,
    lifetime: timedelta = timedelta(days=1),
) -> bytes:
    """A base CRL, DER."""
    this_update = datetime.now(UTC).replace(microsecond=0) - age
    signed = ca.sign_crl(
        revoked, number=number, this_update=this_update, next_update=this_update + lifetime
    )
    return signed.public_bytes(Encoding.DER)


def delta(revoked: Sequence[Revocation] = (), *, number: int, base_number: int) -> bytes:
    """A delta CRL, DER."""
    this_update = datetime.now(UTC).replace(microsecond=0) - HOUR / 2
    signed = CA.sign_crl(revoked, number=number, base_number=base_number, this_update=this_update)
    return signed.public_bytes(Encoding.DER)


def status(folder: Path, authority: Authority) -> RevocationStatus:
    """Alice's certificate as a worker sees it that starts now."""
    return RevocationView.load(folder).status(authority, ALICE, datetime.now(UTC))


def files(folder: Path) -> list[Path]:
    """All that is in `folder`, in order."""
    return sorted(folder.iterdir())


@pytest.fixture
def authority(server: CrlServer) -> Authority:
    """The issuing CA with its base CRL at /base.crl, which is there."""
    server.files["/base.crl"] = crl()
    return authority_of(CA, f"{server.url}/base.crl")


@pytest.fixture
def engine(tmp_path: Path) -> RevocationEngine:
    """An engine that keeps its files in the test's folder."""
    return RevocationEngine(tmp_path, SETTINGS)


async def test_a_refresh_puts_the_crl_in_force(
    tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
) -> None:
    """Before it nothing is known; after it the CRL decides, and the next one after the next."""
    assert status(tmp_path, authority).state is UNKNOWN
    first = await engine.refresh(authority)
    assert (first.ok, first.not_modified) == (True, False)
    assert status(tmp_path, authority).state is GOOD
    server.files["/base.crl"] = crl(LISTED, number=2)
    second = await engine.refresh(authority)
    assert (second.ok, second.not_modified) == (True, False)
    assert "CRL number 2" in second.detail
    assert status(tmp_path, authority).state is REVOKED


async def test_an_unchanged_crl_is_neither_sent_nor_compiled_again(
    tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
) -> None:
    """The validators of the last fetch are sent; the index and its accepted_at stay."""
    await engine.refresh(authority)
    before = RevocationView.load(tmp_path)
    again = await engine.refresh(authority)
    assert (again.ok, again.not_modified, server.not_modified) == (True, True, 1)
    assert before.is_current


async def test_the_same_octets_without_an_etag_keep_the_time_of_acceptance(
    tmp_path: Path, engine: RevocationEngine, authority: Authority
) -> None:
    """A server that knows no validators makes no CRL newer than it is."""
    await engine.refresh(authority)
    first = status(tmp_path, authority)
    state = tmp_path / f"{authority.id}.json"
    value = json.loads(state.read_text())
    value["base"]["validators"] = {"etag": None, "last_modified": None}
    state.write_text(json.dumps(value))
    again = await engine.refresh(authority)
    assert (again.ok, again.not_modified) == (True, True)
    assert status(tmp_path, authority) == first


async def test_a_failed_refresh_keeps_the_last_good_crl(
    tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
) -> None:
    """Gone, HTML, another CA's, truncated, an older number: each is reported, none takes over."""
    server.files["/base.crl"] = crl(LISTED, number=5)
    await engine.refresh(authority)
    for body, sentence in (
        (None, "answers 404"),
        (b"<html>", "HTML page"),
        (crl(number=6, ca=OTHER), "another CA's"),
        (crl(number=6)[:-1], "truncated"),
        (crl(number=4), "the last accepted was 5"),
        (bytes(100_001), "the limit is 100000"),
    ):
        server.files.pop("/base.crl", None)
        if body is not None:
            server.files["/base.crl"] = body
        result = await engine.refresh(authority)
        assert not result.ok
        assert result.detail.startswith(f"{authority.crl_distribution_point}: ")
        assert sentence in result.detail
        assert status(tmp_path, authority).state is REVOKED


async def test_a_crl_that_ran_out_is_refused_though_the_server_says_it_is_current(
    tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
) -> None:
    """A stale CRL is not kept alive by 304."""
    server.files["/base.crl"] = crl(age=3 * HOUR, lifetime=2 * HOUR)
    with time_machine.travel(datetime.now(UTC) - 2 * HOUR):
        assert (await engine.refresh(authority)).ok
        assert status(tmp_path, authority).state is GOOD
    result = await engine.refresh(authority)
    assert server.not_modified == 1
    assert not result.ok
    assert "still is the CRL that has expired" in result.detail
    assert "the CRL expired at" in status(tmp_path, authority).detail


async def test_an_authority_without_a_url_is_not_ok(engine: RevocationEngine) -> None:
    """There is nothing to fetch, and that is said."""
    result = await engine.refresh(authority_of(CA, None))
    assert not result.ok
    assert result.detail == "CN=Issuing CA has no CRL distribution point"


class TestDelta:
    """A base and a delta CRL of one authority."""

    async def test_both_are_fetched_and_decide_together(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer
    ) -> None:
        """The delta revokes what the base does not know yet; without it nothing is known."""
        both = authority_of(CA, f"{server.url}/base.crl", f"{server.url}/delta.crl")
        server.files["/base.crl"] = crl(number=5)
        assert not (await engine.refresh(both)).ok
        assert status(tmp_path, both).state is UNKNOWN
        server.files["/delta.crl"] = delta(LISTED, number=6, base_number=5)
        assert (await engine.refresh(both)).ok
        assert status(tmp_path, both).state is REVOKED
        report = engine.report(both)
        assert [one.kind for one in report.sources] == [CrlKind.BASE, CrlKind.DELTA]
        assert [one.entries for one in report.sources] == [0, 1]

    async def test_a_base_at_the_deltas_url_is_refused(
        self, engine: RevocationEngine, server: CrlServer
    ) -> None:
        """And the base is taken all the same."""
        server.files["/base.crl"] = crl()
        both = authority_of(CA, f"{server.url}/base.crl", f"{server.url}/base.crl")
        result = await engine.refresh(both)
        assert not result.ok
        assert "no delta CRL indicator" in result.detail
        assert engine.report(both).sources[0].accepted is not None


class TestDisk:
    """What a restart, a crash or a damaged file leaves."""

    async def test_a_lost_index_is_made_again_without_the_network(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
    ) -> None:
        """From the raw CRL, with the time at which it was first accepted."""
        server.files["/base.crl"] = crl(LISTED)
        await engine.refresh(authority)
        before = status(tmp_path, authority)
        index = tmp_path / f"{authority.id}.base.index"
        for damage in (index.unlink, lambda: index.write_bytes(b"damaged")):
            damage()
            assert status(tmp_path, authority).state is UNKNOWN
            del server.files["/base.crl"]
            assert not (await engine.refresh(authority)).ok
            assert status(tmp_path, authority) == before
            server.files["/base.crl"] = crl(LISTED)

    async def test_no_older_crl_takes_the_place_of_a_lost_one(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
    ) -> None:
        """The number that was reached outlives index and raw CRL."""
        server.files["/base.crl"] = crl(LISTED, number=5)
        await engine.refresh(authority)
        for path in files(tmp_path):
            if path.name.startswith(f"{authority.id}.base."):
                path.unlink()
        server.files["/base.crl"] = crl(number=4)
        assert not (await engine.refresh(authority)).ok
        assert status(tmp_path, authority).state is UNKNOWN

    async def test_what_a_killed_process_left_is_removed(
        self, tmp_path: Path, engine: RevocationEngine, authority: Authority
    ) -> None:
        """Half-written files have names of their own, and do not pile up."""
        (tmp_path / f".{authority.id}.base.index.abc.tmp").write_bytes(b"half")
        await engine.refresh(authority)
        assert [path.name for path in files(tmp_path)] == [
            f".{authority.id}.lock",
            f"{authority.id}.base.crl",
            f"{authority.id}.base.index",
            f"{authority.id}.json",
        ]

    async def test_an_unreadable_state_is_none(
        self, tmp_path: Path, engine: RevocationEngine, authority: Authority
    ) -> None:
        """The index alone keeps what is needed."""
        await engine.refresh(authority)
        (tmp_path / f"{authority.id}.json").write_text("[1]")
        assert engine.report(authority).sources[0].last_fetch is None
        assert (await engine.refresh(authority)).ok

    async def test_a_disk_that_refuses_is_a_result(
        self, tmp_path: Path, engine: RevocationEngine, authority: Authority
    ) -> None:
        """Nothing is raised at the schedule or the command line."""
        (tmp_path / f"{authority.id}.base.crl").mkdir()
        result = await engine.refresh(authority)
        assert not result.ok
        assert "base.crl" in result.detail

    async def test_forget_leaves_nothing(
        self, tmp_path: Path, engine: RevocationEngine, authority: Authority
    ) -> None:
        """Not even the number that was reached."""
        await engine.refresh(authority)
        await engine.forget(authority.id)
        assert files(tmp_path) == []
        assert status(tmp_path, authority).state is UNKNOWN


class TestTogether:
    """Several refreshes at once."""

    async def test_refreshes_of_one_authority_come_one_after_the_other(
        self, tmp_path: Path, server: CrlServer, authority: Authority
    ) -> None:
        """Two engines, as in two processes: the second finds what the first fetched."""
        engines = [RevocationEngine(tmp_path, SETTINGS) for _ in range(4)]
        results = await asyncio.gather(*(engine.refresh(authority) for engine in engines))
        assert all(result.ok for result in results)
        assert [result.not_modified for result in results].count(False) == 1
        assert server.not_modified == 3

    async def test_a_cancelled_refresh_lets_go(
        self, engine: RevocationEngine, server: CrlServer, authority: Authority
    ) -> None:
        """The lock is free again, and the next refresh succeeds."""
        asked = asyncio.Event()

        async def handler(request: object) -> object:
            asked.set()
            return await hang(request)  # type: ignore[arg-type]  # it is one

        server.handlers["/base.crl"] = handler  # type: ignore[assignment]  # by name
        refresh = asyncio.ensure_future(engine.refresh(authority))  # noqa: TID251 (held here)
        await asked.wait()
        refresh.cancel()
        with pytest.raises(asyncio.CancelledError):
            await refresh
        del server.handlers["/base.crl"]
        assert (await engine.refresh(authority)).ok

    async def test_refresh_all_answers_in_order(
        self, engine: RevocationEngine, server: CrlServer, authority: Authority
    ) -> None:
        """One that fails keeps none of the others."""
        broken = authority_of(OTHER, f"{server.url}/none.crl")
        results = await engine.refresh_all([broken, authority])
        assert [(one.authority_id, one.ok) for one in results] == [
            (broken.id, False),
            (authority.id, True),
        ]

    async def test_a_lock_that_is_held_is_waited_for_no_longer_than_said(
        self, tmp_path: Path
    ) -> None:
        """Then the error names the file."""
        path = tmp_path / ".a.lock"
        async with exclusive(path, timeout_seconds=1):
            with pytest.raises(Exception, match=r"another process .*\.a\.lock"):
                async with exclusive(path, timeout_seconds=0.1):
                    pass
        async with exclusive(path, timeout_seconds=1):
            assert path.exists()


class TestRollback:
    """A CA that was restored from a backup publishes lower CRL numbers for a while."""

    async def test_is_accepted_when_that_is_asked_for(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
    ) -> None:
        """Once: from then on the lower number is the one that counts."""
        server.files["/base.crl"] = crl(LISTED, number=9)
        await engine.refresh(authority)
        server.files["/base.crl"] = crl(number=4)
        assert not (await engine.refresh(authority)).ok
        result = await engine.refresh(authority, accept_rollback=True)
        assert result.ok
        assert "CRL number 4" in result.detail
        assert status(tmp_path, authority).state is GOOD
        server.files["/base.crl"] = crl(LISTED, number=5)
        assert (await engine.refresh(authority)).ok
        server.files["/base.crl"] = crl(number=3)
        assert not (await engine.refresh(authority)).ok
        assert status(tmp_path, authority).state is REVOKED


class TestFurtherSources:
    """CRLs beside the record's own."""

    async def test_each_is_fetched_and_may_revoke(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
    ) -> None:
        """A certificate is revoked if any of them lists it; the report has them all."""
        more = replace(authority, sources=(CrlSource(f"{server.url}/more.crl"),))
        server.files["/more.crl"] = crl(LISTED, number=3)
        assert (await engine.refresh(more)).ok
        assert status(tmp_path, more).state is REVOKED
        assert status(tmp_path, authority).state is GOOD
        names = [one.name for one in engine.report(more).sources]
        assert names == ["base", more.sources[0].name]

    async def test_one_alone_may_be_the_only_crl(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer
    ) -> None:
        """A record without a URL of its own has its sources."""
        only = replace(authority_of(CA, None), sources=(CrlSource(f"{server.url}/more.crl"),))
        server.files["/more.crl"] = crl()
        assert status(tmp_path, only).state is UNKNOWN
        assert (await engine.refresh(only)).ok
        assert status(tmp_path, only).state is GOOD

    async def test_a_signer_of_its_own_is_believed_if_it_chains_to_the_root(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer
    ) -> None:
        """And only where the records are known; the signer's own status is asked, too."""
        root = CertificateAuthority.root("Root")
        issuing, signer = root.intermediate("Issuing CA"), root.intermediate("Issuing CA")
        der = signer.certificate.public_bytes(Encoding.DER)
        sources = (CrlSource(f"{server.url}/signed.crl", der),)
        record = replace(authority_of(issuing, None), sources=sources)
        above = replace(
            authority_of(root, f"{server.url}/root.crl"), authority_type=AuthorityType.ROOT
        )
        server.files["/signed.crl"] = crl(ca=signer)
        server.files["/root.crl"] = crl(ca=root)
        assert all(one.ok for one in await engine.refresh_all([record, above]))
        phone = ClientCertificate.from_x509(issuing.issue_device(upn="a@example.test").certificate)

        def found(*known: Authority) -> RevocationState:
            view = RevocationView.load(tmp_path, authorities=known)
            return view.status(record, phone, datetime.now(UTC)).state

        assert (found(above, record), found()) == (GOOD, UNKNOWN)
        revoked = [Revocation(serial_number=signer.certificate.serial_number)]
        server.files["/root.crl"] = crl(revoked, number=2, ca=root)
        await engine.refresh(above)
        assert found(above, record) is UNKNOWN

    async def test_files_of_a_source_that_is_gone_go(
        self, tmp_path: Path, engine: RevocationEngine, server: CrlServer, authority: Authority
    ) -> None:
        """At the next refresh; those of the record's own CRL stay."""
        more = replace(authority, sources=(CrlSource(f"{server.url}/more.crl"),))
        server.files["/more.crl"] = crl()
        await engine.refresh(more)
        await engine.refresh(authority)
        assert not [path.name for path in files(tmp_path) if "source-" in path.name]
        assert status(tmp_path, authority).state is GOOD


async def test_downloads_near_their_limits_are_told(tmp_path: Path, server: CrlServer) -> None:
    """From 80 % on, with the key to change, in the result and in the report."""
    server.files["/base.crl"] = crl([Revocation(serial_number=n) for n in range(1, 60)])
    size = len(server.files["/base.crl"])
    authority = authority_of(CA, f"{server.url}/base.crl")
    for limit, expected in ((size, 1), (2 * size, 0)):
        engine = RevocationEngine(tmp_path, Settings(download_limit_bytes=limit))
        warnings = (await engine.refresh(authority)).warnings
        assert len(warnings) == expected
        assert engine.report(authority).sources[0].warnings == warnings
        assert all("revocation.download_limit_bytes" in one for one in warnings)


async def test_an_exempt_authority_is_not_refused(
    tmp_path: Path, engine: RevocationEngine, authority: Authority
) -> None:
    """No CRL is consulted, so none has a time; nor is any missed."""
    exempt = replace(authority, exempt=True)
    found = status(tmp_path, exempt)
    assert found.state is GOOD
    assert found.detail == "CN=Issuing CA is exempt: no CRL is consulted"
    assert (found.this_update, found.next_update, found.accepted_at) == (None, None, None)
    assert engine.report(exempt).refused_from is None
    assert (await engine.refresh(replace(exempt, crl_distribution_point=None))).ok


def test_without_crl_validation_a_ca_without_crl_vouches(tmp_path: Path) -> None:
    """Entra's default; a CA that has a CRL is judged by it all the same."""
    now = datetime.now(UTC)
    view = RevocationView.load(tmp_path, require_crl_validation=False)
    assert view.status(authority_of(CA, None), ALICE, now).state is GOOD
    assert view.status(authority_of(CA), ALICE, now).state is UNKNOWN
    assert status(tmp_path, authority_of(CA, None)).state is UNKNOWN


async def test_the_report_says_what_operators_ask(
    engine: RevocationEngine, server: CrlServer, authority: Authority
) -> None:
    """Last fetch and its result, the CRL in force, entries, and when refusals would begin."""
    assert engine.report(authority).refused_from is None
    server.files["/base.crl"] = crl(LISTED, number=5)
    await engine.refresh(authority)
    del server.files["/base.crl"]
    await engine.refresh(authority)
    report = engine.report(authority)
    (one,) = report.sources
    assert one.last_fetch is not None
    assert not one.last_fetch.ok
    assert "answers 404" in one.last_fetch.detail
    assert one.accepted is not None
    assert (one.accepted.facts.crl_number, one.entries) == (5, 1)
    assert report.refused_from == one.accepted.facts.next_update


async def test_a_full_disk_is_named_with_its_folder(tmp_path: Path, authority: Authority) -> None:
    """The system's words do not say where there is no room."""
    engine = RevocationEngine(tmp_path, SETTINGS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        result = await engine.refresh(authority)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not result.ok
    assert result.detail.startswith(f"{tmp_path}: ")
    assert "too large" in result.detail
