"""config.toml is read whole or refused with every problem, each with its key."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.config import Config, LogFormat, load, parse
from gateway.config_section import Section
from gateway.config_upstream import Upstream
from gateway.core.decision import Reauthentication
from gateway.core.username_binding import (
    DEFAULT_RULES,
    Affinity,
    BindingRules,
    CertificateField,
    DirectoryAttribute,
    UsernameBinding,
)
from gateway.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
UPSTREAM = '[[upstream]]\nname = "mail"\nurl = "https://mail.example.com"\n'
OTHER_UPSTREAM = '[[upstream]]\nname = "other"\nurl = "https://other.example.com"\n'
LOCATIONS = 'locations = ["https://a.example.com/eas"]\n'
FOLDER = Path("/etc/gateway")


def read(text: str) -> Config:
    """The configuration in `text`, as if it lay in FOLDER."""
    return parse(text, folder=FOLDER, name="config.toml")


def problems(text: str) -> list[str]:
    """What is wrong with `text`, one line each, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    lines = str(caught.value).split("\n")
    assert all(line.startswith("config.toml: ") for line in lines)
    return [line.removeprefix("config.toml: ") for line in lines]


def sections() -> dict[str, type[Section]]:
    """Every table of the file by its name."""
    found: dict[str, type[Section]] = {"upstream": Upstream}
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found[name] = field.annotation
    return found


class TestExample:
    """config.example.toml."""

    def test_is_the_defaults(self) -> None:
        """All that it sets but [[upstream]] is what the gateway does without it."""
        example = load(EXAMPLE)
        default = parse(UPSTREAM, folder=EXAMPLE.parent, name="default")
        assert example == default

    def test_has_every_key_in_its_table(self) -> None:
        """A key without a line, or in another table, fails; `# key = ` is one that is absent."""
        found: dict[str, set[str]] = {}
        table = ""
        for line in EXAMPLE.read_text().splitlines():
            if header := re.match(r"\[+(\w+)\]+", line):
                table = header[1]
            elif key := re.match(r"(?:# )?(\w+) = ", line):
                found.setdefault(table, set()).add(key[1])
        assert found == {name: set(one.model_fields) for name, one in sections().items()}
        assert set(Config.model_fields) == set(found)

    def test_says_why_of_every_key(self) -> None:
        """A sentence stands above each key."""
        lines = EXAMPLE.read_text().splitlines()
        for above, line in itertools.pairwise(lines):
            if re.match(r"(?:# )?\w+ = ", line):
                assert re.match(r"# .{20,}[.;:]", above), f"nothing is said of {line!r}"

    def test_comments_only_what_is_absent(self) -> None:
        """A key is commented out if, and only if, its default is that there is none."""
        commented = set(re.findall(r"^# (\w+) = ", EXAMPLE.read_text(), flags=re.MULTILINE))
        absent = {
            name
            for section in sections().values()
            for name, field in section.model_fields.items()
            if field.default is None
        }
        assert commented == absent

    def test_commented_keys_are_right(self) -> None:
        """Taking the comment signs away, with what the key belongs to, gives a right file."""
        text = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
        text = text.replace('url = "sqlite"', 'url = "postgresql://gateway@db/gateway"', 1)
        text = text.replace('username_bindings = ["PrincipalName", "RFC822Name"]\n', "", 1)
        config = read(text.replace('credentials = "header"', 'credentials = "basic"', 1))
        assert [one.field for one in config.identity.rules.bindings] == [CertificateField.SKI]
        assert config.store.password_file == FOLDER / "state/store.password"
        assert config.upstream[0].ca_file == FOLDER / "certs/mail-ca.pem"


class TestGood:
    """Right configurations."""

    def test_nothing_is_the_defaults(self) -> None:
        """An empty file is a right one, with the defaults of every section."""
        config = read("")
        assert config.listen.port == 443
        assert config.revocation.reauthentication is Reauthentication.FRESH_CRL
        assert config.upstream == ()

    def test_values_become_what_they_mean(self) -> None:
        """Texts become the choices they name, in the order given; a whole number may be seconds."""
        config = read(
            '[identity]\nusername_bindings = ["RFC822Name"]\n'
            '[revocation]\nreauthentication = "immediate"\ndownload_timeout_seconds = 3\n'
            '[log]\nformat = "console"\n'
        )
        assert config.identity.username_bindings == (CertificateField.RFC822_NAME,)
        assert config.identity.rules == BindingRules.of([CertificateField.RFC822_NAME])
        assert config.revocation.reauthentication is Reauthentication.IMMEDIATE
        assert config.revocation.download_timeout_seconds == 3.0
        assert config.log.format is LogFormat.CONSOLE

    def test_default_bindings(self) -> None:
        """UPN and address, all of which have to agree."""
        assert read("").identity.rules == DEFAULT_RULES
        assert not DEFAULT_RULES.by_priority

    def test_bindings_with_priorities(self) -> None:
        """They are tried by ascending number, whatever their order, and the first match decides."""
        rules = read(
            '[identity]\nrequired_affinity = "high"\nrequire_sid_match = true\n'
            '[[identity.binding]]\nfield = "PrincipalName"\npriority = 3\naffinity = "low"\n'
            'attribute = "onPremisesUserPrincipalName"\n'
            '[[identity.binding]]\nfield = "SKI"\npriority = 0\naffinity = "high"\n'
        ).identity.rules
        ski = UsernameBinding(CertificateField.SKI, DirectoryAttribute.CERTIFICATE_USER_IDS)
        upn = UsernameBinding(
            CertificateField.PRINCIPAL_NAME, DirectoryAttribute.ON_PREMISES_USER_PRINCIPAL_NAME
        )
        assert rules == BindingRules(
            (ski, upn), by_priority=True, required_affinity=Affinity.HIGH, require_sid_match=True
        )
        assert rules.in_use == (ski,)

    def test_bindings_without_priorities(self) -> None:
        """They are tried in the order of the file, and all of them have to agree."""
        rules = read(
            '[[identity.binding]]\nfield = "SID"\n[[identity.binding]]\nfield = "RFC822Name"\n'
        ).identity.rules
        assert rules == BindingRules.of([CertificateField.SID, CertificateField.RFC822_NAME])

    @pytest.mark.parametrize("text", ["", "[state]\nmax_staleness_seconds = 9\n"])
    def test_default_paths_are_beside_the_file(self, text: str) -> None:
        """A table that is there for another key does not move the default of a path."""
        assert read(text).state.directory == FOLDER / "state"
        assert read(text).listen.certificate == FOLDER / "certs/server.pem"

    def test_relative_paths_are_beside_the_file(self) -> None:
        """A path in the file is relative to its folder; an absolute one stays."""
        config = read(
            '[state]\ndirectory = "data"\n'
            '[listen]\ncertificate = "/srv/server.pem"\nprivate_key = "../server.key"\n'
        )
        assert config.state.directory == FOLDER / "data"
        assert config.state.crl_directory == FOLDER / "data/crl"
        assert config.listen.certificate == Path("/srv/server.pem")
        assert config.listen.private_key == FOLDER / "../server.key"

    def test_several_upstreams(self) -> None:
        """Each with its hosts; the public URL has no slash at its end."""
        more = 'more_urls = ["https://mail-b.example.com"]\n'
        config = read(
            UPSTREAM
            + more
            + OTHER_UPSTREAM
            + LOCATIONS
            + '[gateway]\npublic_url = "https://eas.example.com/"\n'
        )
        first, second = config.upstream
        assert first.hosts == ("https://mail.example.com", "https://mail-b.example.com")
        assert second.other_origins == {"https://a.example.com:443"}
        assert config.gateway.public_url == "https://eas.example.com"

    def test_home_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """`~` is the home of the user who runs the gateway."""
        monkeypatch.setenv("HOME", "/home/gateway")
        config = read('[state]\ndirectory = "~/state"\n')
        assert config.state.directory == Path("/home/gateway/state")

    def test_nothing_changes_after_loading(self) -> None:
        """Every section is frozen."""
        config = read(UPSTREAM)
        every = [config, *(getattr(config, name) for name in sections() if name != "upstream")]
        for section in [*every, *config.upstream]:
            name = next(iter(type(section).model_fields))
            with pytest.raises(ValidationError, match="frozen"):
                setattr(section, name, getattr(section, name))

    def test_durations_carry_their_unit(self) -> None:
        """Whatever is a number of seconds says so in its key, and so do octets."""
        for section in sections().values():
            for name, field in section.model_fields.items():
                if re.search(r"timeout|refresh|skew|staleness|interval|delay", name):
                    assert name.endswith("_seconds"), name
                if field.annotation is float:
                    assert name.endswith("_seconds"), name
                if re.search(r"limit|size", name):
                    assert name.endswith("_bytes"), name


class TestFile:
    """Which file is read."""

    def test_missing(self, tmp_path: Path) -> None:
        """A file that was named has to be there."""
        path = tmp_path / "nowhere.toml"
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value) == f"{path}: cannot be read: No such file or directory"

    def test_directory(self, tmp_path: Path) -> None:
        """A directory is no file."""
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load(tmp_path)

    def test_not_utf8(self, tmp_path: Path) -> None:
        """TOML is UTF-8 and nothing else."""
        path = tmp_path / "config.toml"
        path.write_bytes('[state]\ndirectory = "Büro"\n'.encode("latin-1"))
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: not UTF-8")

    def test_not_toml(self, tmp_path: Path) -> None:
        """The error says where the text stops being TOML."""
        path = tmp_path / "config.toml"
        path.write_text("[listen]\nport: 443\n")
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: not TOML: ")
        assert "line 2" in str(caught.value)

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        """A file that Windows wrote may begin with a mark."""
        path = tmp_path / "config.toml"
        path.write_bytes(b"\xef\xbb\xbf[listen]\r\nport = 8443\r\n")
        assert load(path).listen.port == 8443

    def test_none_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a name ./config.toml counts if it is there, else the defaults do."""
        monkeypatch.chdir(tmp_path)
        assert load(None) == Config()
        assert load(None).state.directory == Path("state")
        Path("config.toml").write_text("[listen]\nport = 8443\n")
        assert load(None).listen.port == 8443


BINDING = '[[identity.binding]]\nfield = "SKI"\n'
WRONG = {
    "[lsten]\n": "lsten: unknown key",
    "[listen]\nprt = 1\n": "listen.prt: unknown key",
    "colour = 1\n": "colour: unknown key",
    "listen = 3\n": "listen: write a table of keys",
    "[[listen]]\n": "listen: write a table of keys",
    '[listen]\nport = "443"\n': "listen.port: write a whole number, without quotes",
    "[listen]\nport = 443.0\n": "listen.port: write a whole number, without quotes",
    "[listen]\nproxy_protocol = true\n": (
        "listen: proxy_protocol needs proxy_protocol_from, the load balancers' networks"
    ),
    '[listen]\nproxy_protocol_from = ["10.0.0.1/8"]\n': (
        "listen.proxy_protocol_from[0]: write a network, such as 10.0.0.0/8 or fd00::/8:"
        " 10.0.0.1/8 has host bits set"
    ),
    "[tls]\nticket_lifetime_seconds = -1\n": ("tls.ticket_lifetime_seconds: must be at least 0"),
    "[listen]\nworkers = true\n": "listen.workers: write a whole number, without quotes",
    "[listen]\nport = 65536\n": "listen.port: must be at most 65535",
    "[listen]\nport = -1\n": "listen.port: must be at least 0",
    "[listen]\naddress = 1\n": 'listen.address: write a text, in "quotes"',
    '[listen]\naddress = "localhost"\n': (
        "listen.address: write an IPv4 or IPv6 address, such as 0.0.0.0 or ::"
    ),
    "[listen]\ncertificate = 1\n": 'listen.certificate: write a path, in "quotes"',
    '[state]\ndirectory = "~nobody-of-that-name/x"\n': (
        "state.directory: ~nobody-of-that-name/x begins with the home of a user who is not known"
    ),
    '[store]\nurl = "mysql://x/y"\n': (
        'store.url: write "sqlite", or postgresql://USER@HOST/DATABASE'
    ),
    '[store]\npassword_file = "x"\n': "store: password_file belongs to a postgresql:// url",
    "[store]\npoll_seconds = 0\n": "store.poll_seconds: must be at least 0.1",
    '[tls]\nminimum_version = "1.1"\n': "tls.minimum_version: write '1.2' or '1.3'",
    "[tls]\nhandshake_timeout_seconds = 0\n": "tls.handshake_timeout_seconds: must be more than 0",
    "[tls]\nhandshake_timeout_seconds = nan\n": (
        "tls.handshake_timeout_seconds: write a finite number"
    ),
    '[tls]\nhandshake_timeout_seconds = "20s"\n': (
        "tls.handshake_timeout_seconds: write a number, without quotes"
    ),
    "[revocation]\ncrl_refresh_seconds = 5\n": (
        "revocation.crl_refresh_seconds: must be at least 10"
    ),
    '[revocation]\nreauthentication = "never"\n': (
        "revocation.reauthentication: write 'fresh_crl' or 'immediate'"
    ),
    "[identity]\nusername_bindings = []\n": (
        "identity.username_bindings: name at least one binding, and each only once"
    ),
    '[identity]\nusername_bindings = ["RFC822Name", "RFC822Name"]\n': (
        "identity.username_bindings: name at least one binding, and each only once"
    ),
    '[identity]\nusername_bindings = "RFC822Name"\n': "identity.username_bindings: write an array",
    '[identity]\nusername_bindings = ["SubjectName"]\n': (
        "identity.username_bindings[0]: write 'PrincipalName', 'RFC822Name', 'IssuerAndSubject', "
        "'Subject', 'SKI', 'SHA1PublicKey', 'IssuerAndSerialNumber' or 'SID'"
    ),
    '[identity]\nrequired_affinity = "high"\n': (
        'identity: required_affinity = "high", and each binding has low affinity'
    ),
    '[identity]\nrequired_affinity = "none"\n': "identity.required_affinity: write 'low' or 'high'",
    "[identity]\nbinding = []\n": (
        "identity.binding: name at least one binding, and each only once"
    ),
    "[[identity.binding]]\npriority = 1\n": "identity.binding[0].field: this key has to be there",
    '[identity]\nusername_bindings = ["SKI"]\n[[identity.binding]]\nfield = "SKI"\n': (
        "identity: binding takes the place of username_bindings; leave one out"
    ),
    BINDING + BINDING: "identity.binding: name at least one binding, and each only once",
    BINDING + '[[identity.binding]]\nfield = "SID"\npriority = 1\n': (
        "identity.binding: give each binding a priority, or none"
    ),
    BINDING + 'priority = 1\n[[identity.binding]]\nfield = "SID"\npriority = 1\n': (
        "identity.binding: give each binding a priority of its own"
    ),
    BINDING + "priority = -1\n": "identity.binding[0].priority: must be at least 0",
    BINDING + 'attribute = "userPrincipalName"\n': (
        "identity.binding[0].attribute: SKI is compared with 'certificateUserIds'"
    ),
    BINDING + 'affinity = "low"\n': (
        "identity.binding[0].affinity: SKI has 'high', which cannot be chosen; leave the key out"
    ),
    '[log]\nlevel = "loud"\n': "log.level: write 'debug', 'info', 'warning' or 'error'",
    "upstream = 3\n": "upstream: write an array",
    "[upstream]\n": "upstream: write an array",
    UPSTREAM + UPSTREAM: 'upstream: two upstreams are called "mail"',
    UPSTREAM + "default = true\n" + OTHER_UPSTREAM + "default = true\n": (
        "upstream: default = true is in more than one of them"
    ),
    UPSTREAM + LOCATIONS + OTHER_UPSTREAM + LOCATIONS: (
        "upstream: locations: https://a.example.com:443 is of both mail and other"
    ),
    UPSTREAM + 'more_urls = ["https://MAIL.example.com:443"]\n': (
        "upstream[0]: more_urls names a host that is there already"
    ),
    UPSTREAM + 'more_urls = ["mail2"]\n': (
        "upstream[0].more_urls[0]: write http://HOST[:PORT] or https://HOST[:PORT]"
    ),
    UPSTREAM + 'locations = ["mail2"]\n': (
        "upstream[0].locations[0]: write an http or https URL,"
        " such as https://mail2.example.com/Microsoft-Server-ActiveSync"
    ),
    '[gateway]\npublic_url = "http://eas.example.com"\n': (
        "gateway.public_url: write https://HOST[:PORT], as phones reach the gateway"
    ),
    '[gateway]\nautodiscover = "on"\n': (
        "gateway.autodiscover: write 'answer', 'rewrite' or 'off'"
    ),
    UPSTREAM + "keep_alive = 1\n": "upstream[0].keep_alive: write true or false, without quotes",
    UPSTREAM + 'credentials = "basic"\n': (
        'upstream[0]: password_file belongs to credentials = "basic", which needs it'
    ),
    UPSTREAM + 'password_file = "x"\n': (
        'upstream[0]: password_file belongs to credentials = "basic", which needs it'
    ),
    UPSTREAM + 'header = "X User"\n': (
        "upstream[0].header: does not match ^[A-Za-z0-9][A-Za-z0-9-]*$"
    ),
    UPSTREAM
    + 'path = "eas"\n': "upstream[0].path: write a path that begins with / and has no query",
    UPSTREAM + 'path = "/eas?x"\n': (
        "upstream[0].path: write a path that begins with / and has no query"
    ),
    UPSTREAM + "response_timeout_seconds = 30\n": (
        "upstream[0].response_timeout_seconds: must be at least 60"
    ),
}

_URL_FORM = "write http://HOST[:PORT] or https://HOST[:PORT]"
_NO_MORE = "write no path, query or user here; the path has a key of its own"
WRONG_URLS = {
    "mail.example.com": _URL_FORM,
    "ftp://mail.example.com": _URL_FORM,
    "https://": _URL_FORM,
    "https://mail.example.com:0": _URL_FORM,
    "https://mail.example.com:x": f"{_URL_FORM}: Port could not be cast to integer value as 'x'",
    "https://mail.example.com:99999": f"{_URL_FORM}: Port out of range 0-65535",
    "https://[::1": f"{_URL_FORM}: Invalid IPv6 URL",
    "https://mail .example.com": f"{_URL_FORM}, without blanks and in ASCII (xn--...)",
    "https://bücher.example": f"{_URL_FORM}, without blanks and in ASCII (xn--...)",
    "https://mail.example.com/SOGo": _NO_MORE,
    "https://mail.example.com?x": _NO_MORE,
    "https://mail.example.com#": _NO_MORE,
    "https://user:secret@mail.example.com": _NO_MORE,
    "https://:secret@mail.example.com": _NO_MORE,
}


class TestWrong:
    """What is refused, with the key and what to write."""

    @pytest.mark.parametrize(("text", "problem"), WRONG.items())
    def test_names_the_key(self, text: str, problem: str) -> None:
        """One mistake gives one line."""
        assert problems(text) == [problem]

    @pytest.mark.parametrize(("url", "problem"), WRONG_URLS.items())
    def test_url(self, url: str, problem: str) -> None:
        """An upstream's URL is scheme, host and port; all else is said elsewhere."""
        text = f'[[upstream]]\nname = "mail"\nurl = "{url}"\n'
        assert problems(text) == [f"upstream[0].url: {problem}"]

    @pytest.mark.parametrize("url", ["http://[::1]:8080", "https://mail.example.com/"])
    def test_url_that_is_right(self, url: str) -> None:
        """An IPv6 address, a port and a slash at the end are all right."""
        assert read(f'[[upstream]]\nname = "m"\nurl = "{url}"\n').upstream[0].url == url

    @pytest.mark.parametrize("name", ["", "Mail", "-mail", "mail_1", "m" * 64, "mäil"])
    def test_upstream_name(self, name: str) -> None:
        """The name goes into metrics: a few plain characters."""
        (problem,) = problems(f'[[upstream]]\nname = "{name}"\nurl = "http://m"\n')
        assert problem.startswith("upstream[0].name: does not match ")

    def test_missing_keys(self) -> None:
        """An upstream has to have a name and a URL."""
        assert problems("[[upstream]]\n") == [
            "upstream[0].name: this key has to be there",
            "upstream[0].url: this key has to be there",
        ]

    def test_basic_needs_a_password(self) -> None:
        """Both keys together are right, and the file lies beside config.toml."""
        config = read(UPSTREAM + 'credentials = "basic"\npassword_file = "secret"\n')
        assert config.upstream[0].password_file == FOLDER / "secret"

    def test_all_problems_in_one_pass(self) -> None:
        """Whoever corrects the file sees every line to correct at once."""
        found = problems(
            '[listen]\nport = "x"\nprt = 1\n[tls]\nminimum_version = "1"\n[sate]\n'
            '[[upstream]]\nname = "mail"\nurl = "x"\n'
        )
        assert [line.partition(":")[0] for line in found] == [
            "listen.port",
            "listen.prt",
            "tls.minimum_version",
            "upstream[0].url",
            "sate",
        ]


_toml_values = st.recursive(
    st.one_of(
        st.booleans().map(lambda value: str(value).lower()),
        st.integers(-(10**20), 10**20).map(str),
        st.floats().map(str),
        st.sampled_from(['""', '"x"', "2020-01-01", "[]", "{}", "''", '"1.2"', '"~"']),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)
_keys = st.sampled_from(
    [f"{table}.{key}" for table, section in sections().items() for key in section.model_fields]
)


@given(st.dictionaries(_keys, _toml_values, max_size=4))
def test_any_value_is_read_or_refused(values: dict[str, str]) -> None:
    """Whatever type stands at a key, there is a Config or a ConfigError, and no half of either."""
    text = "\n".join(f"{key} = {value}" for key, value in values.items())
    try:
        read(text)
    except ConfigError as error:
        lines = str(error).split("\n")
    else:
        lines = []
    assert all(line.startswith("config.toml: ") for line in lines)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """What is no TOML is a ConfigError that says so."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ConfigError, match="not TOML"):
            read(text)
