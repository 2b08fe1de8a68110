"""SOGo's settings as command line arguments, which win over those of /etc/sogo/sogo.conf.

So the machine's own configuration of SOGo stays as the package left it.
"""

from tests.real.sogo.bed import DOMAIN, HOST, Bed

TABLES = {
    "SOGoProfileURL": "sogo_user_profile",
    "OCSFolderInfoURL": "sogo_folder_info",
    "OCSSessionsFolderURL": "sogo_sessions_folder",
    "OCSEMailAlarmsFolderURL": "sogo_alarms_folder",
    "OCSStoreURL": "sogo_store",
    "OCSAclURL": "sogo_acl",
    "OCSCacheFolderURL": "sogo_cache_folder",
}
FOLDERS = {
    "SOGoDraftsFolderName": "Drafts",
    "SOGoJunkFolderName": "Junk",
    "SOGoSentFolderName": "Sent",
    "SOGoTrashFolderName": "Trash",
}
WORKERS = 6  # a held Ping takes one


def arguments(bed: Bed) -> tuple[str, ...]:
    """The settings as `-Key value` pairs."""
    database = f"mysql://sogo:sogo@{HOST}:{bed.mariadb_port}/sogo"
    settings = {
        "WONoDetach": "YES",
        "WOLogFile": "-",
        "WOPidFile": str(bed.state / "sogo" / "sogod.pid"),
        "WOPort": f"{HOST}:{bed.sogo_port}",
        "WOWorkersCount": str(WORKERS),
        "SOGoTrustProxyAuthentication": "YES",  # the user is who the identity header names
        "SOGoMaximumPingInterval": "60",
        "SOGoMaximumSyncInterval": "60",
        "SOGoInternalSyncInterval": "5",  # how often a held Ping looks for mail
        "SOGoMemcachedHost": f"{HOST}:{bed.memcached_port}",
        "SOGoIMAPServer": f"imap://{HOST}:{bed.imap_port}",
        "SOGoMailingMechanism": "smtp",
        "SOGoSMTPServer": f"smtp://{HOST}:{bed.smtp_port}",
        "SOGoMailDomain": DOMAIN,
        "SOGoLanguage": "English",
        "SOGoTimeZone": "UTC",
        "MySQL4Encoding": "utf8mb4",
        "SOGoUserSources": _user_source(f"{database}/directory"),
    }
    settings |= FOLDERS
    settings |= {key: f"{database}/{table}" for key, table in TABLES.items()}
    return tuple(word for key, value in settings.items() for word in (f"-{key}", value))


def _user_source(view: str) -> str:
    return (
        f'({{ id = directory; type = sql; displayName = Directory; viewURL = "{view}";'
        " canAuthenticate = YES; isAddressBook = YES; userPasswordAlgorithm = none; })"
    )
