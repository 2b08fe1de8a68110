"""The five services of the bed in the order in which they start, each with the set-up it needs."""

import imaplib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.real.sogo import sogo_settings
from tests.real.sogo.bed import HOST, MAILBOXES, STATE_VARIABLE, Bed
from tests.real.sogo.service import Service

REPOSITORY = Path(__file__).resolve().parents[3]
MAIL_OWNER = "mail"  # a user of every Debian system
STATE_FOLDERS = ("run", "mariadb", "dovecot", "mail", "sogo")
DOVECOT_CONFIG = "dovecot.conf"
FOLDERS = ("INBOX", "Drafts", "Sent", "Trash", "Junk", "Templates")


def services(bed: Bed) -> list[Service]:
    """What runs, first to start first; stop them in reverse."""
    return [mariadb(bed), memcached(bed), dovecot(bed), smtp_sink(bed), sogod(bed)]


def start(bed: Bed) -> None:
    """Everything runs and SOGo answers; what runs already is not touched."""
    bed.folder("run")
    _prepare_database(bed)
    mariadb(bed).start()
    _fill_database(bed)
    memcached(bed).start()
    _configure_dovecot(bed)
    dovecot(bed).start()
    _enable_condstore(bed)
    smtp_sink(bed).start()
    bed.folder("sogo", owner="sogo", mode=0o750)
    sogod(bed).start()


def stop(bed: Bed) -> None:
    """Nothing of the bed runs."""
    for service in reversed(services(bed)):
        service.stop()


def wipe(bed: Bed) -> None:
    """What the bed wrote is gone; anything else in its state folder stays."""
    for name in STATE_FOLDERS:
        shutil.rmtree(bed.state / name, ignore_errors=True)
    (bed.state / DOVECOT_CONFIG).unlink(missing_ok=True)


def mariadb(bed: Bed) -> Service:
    """The database in which SOGo has users, folders and the devices' state."""
    data = bed.state / "mariadb"
    command = (
        "/usr/sbin/mariadbd",
        "--no-defaults",
        "--user=mysql",
        f"--datadir={data}",
        f"--socket={data}/socket",
        f"--bind-address={HOST}",
        f"--port={bed.mariadb_port}",
        "--character-set-server=utf8mb4",
        "--skip-name-resolve",
        "--performance-schema=OFF",
        "--innodb-buffer-pool-size=64M",
    )
    return Service(name="mariadb", command=command, port=bed.mariadb_port, folder=_run(bed))


def memcached(bed: Bed) -> Service:
    """SOGo's cache."""
    command = ("memcached", "-u", "memcache", "-l", HOST, "-p", str(bed.memcached_port), "-U", "0")
    return Service(name="memcached", command=command, port=bed.memcached_port, folder=_run(bed))


def dovecot(bed: Bed) -> Service:
    """The IMAP server whose folders SOGo shows to phones."""
    command = ("/usr/sbin/dovecot", "-F", "-c", str(bed.state / DOVECOT_CONFIG))
    return Service(name="dovecot", command=command, port=bed.imap_port, folder=_run(bed))


def smtp_sink(bed: Bed) -> Service:
    """What SOGo submits to."""
    return Service(
        name="smtp-sink",
        command=(sys.executable, "-m", "tests.real.sogo.smtp_sink"),
        port=bed.smtp_port,
        folder=_run(bed),
        environment={"PYTHONPATH": str(REPOSITORY), STATE_VARIABLE: str(bed.state)},
    )


def sogod(bed: Bed) -> Service:
    """SOGo itself; it keeps nothing in memory that matters, and takes long over a polite signal."""
    return Service(
        name="sogod",
        command=("/usr/sbin/sogod", *sogo_settings.arguments(bed)),
        port=bed.sogo_port,
        folder=_run(bed),
        user="sogo",
        stop_signal=signal.SIGKILL,
    )


def _run(bed: Bed) -> Path:
    return bed.state / "run"


def _prepare_database(bed: Bed) -> None:
    data = bed.folder("mariadb", owner="mysql", mode=0o750)
    if (data / "mysql").is_dir():
        return
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            "--user=mysql",
            f"--datadir={data}",
            "--skip-test-db",
            "--auth-root-authentication-method=socket",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _fill_database(bed: Bed) -> None:
    rows = "".join(
        f"REPLACE INTO directory VALUES ('{mailbox}', '{mailbox}', '-', '{mailbox}', '{mailbox}');"
        for mailbox in MAILBOXES
    )
    schema = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
    socket = f"--socket={bed.state}/mariadb/socket"
    command = ["mariadb", "--no-defaults", "--user=root", socket]
    subprocess.run(command, input=schema + rows, text=True, check=True)


def _configure_dovecot(bed: Bed) -> None:
    bed.folder("mail", owner=MAIL_OWNER, mode=0o750)
    bed.folder("dovecot")
    bed.render("dovecot.conf.in", bed.state / DOVECOT_CONFIG)


def _enable_condstore(bed: Bed) -> None:
    """Every folder has a HIGHESTMODSEQ from now on.

    SOGo sees new mail by that number alone, and Dovecot leaves it out until a client once enabled
    CONDSTORE and selected the folder (RFC 7162 section 3.1).
    """
    for mailbox in MAILBOXES:
        with imaplib.IMAP4(HOST, bed.imap_port) as imap:
            imap.login(mailbox, "any")
            imap.enable("CONDSTORE")
            for folder in FOLDERS:
                imap.select(folder)
