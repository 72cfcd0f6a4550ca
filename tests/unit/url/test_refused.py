"""An invalid URL is refused in words that say what to write and never show the password."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.url import parse_url
from tests.support.canary import SECRET
from tests.support.collector import recorded_of

PLACE = f"postgresql://ada:{SECRET}@host/app"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "empty"),
        (" ' ' ", "empty"),
        ("host/app", "not a URL"),
        (f"host=h user=ada password={SECRET}", "not a URL"),
        (f"mysql://ada:{SECRET}@host/app", "begins with mysql://; write postgresql://"),
        (f"postgresql+psycopg2://ada:{SECRET}@host/app", "begins with postgresql+psycopg2://"),
        (f"jdbc:postgresql://ada:{SECRET}@host/app", "begins with jdbc:postgresql://"),
        (f"ada:{SECRET}://@host/app", "begins with something else"),
        (f"{SECRET}://ada@host/app", "begins with something else"),
        (f"'{PLACE}", "a quote at one end only"),
        (f"{PLACE}\u201d", "a quote at one end only"),
        (f"postgresql://ada:{SECRET}@host", "names no database"),
        (f"postgresql://ada:{SECRET}@host/", "names no database"),
        (f"postgresql://ada:{SECRET}@/app", "names no host"),
        (f"postgresql://:{SECRET}@host/app", "names no user"),
        ("postgresql://host/app", "names no user"),
        (f"postgresql://ada:{SECRET}/app", "the port is not a number"),
        (f"postgresql://ada:{SECRET}@host:http/app", "the port is not a number"),
        (f"postgresql://ada:{SECRET}@host:70000/app", "the port is not a number from 1 to 65535"),
        (f"postgresql://ada:{SECRET}@host:0/app", "the port is not a number"),
        (f"postgresql://ada:{SECRET}@2001:db8::1/app", "IPv6"),
        (f"postgresql://ada:{SECRET}@one,,two/app", "an invalid host"),
        (f"postgresql://ada:{SECRET}@one..two/app", "1 to 63 characters"),
        (f"{PLACE}?host=other", "host twice"),
        (f"postgresql://ada:{SECRET}@host:1/app?port=2", "port twice"),
        (f"postgresql://ada:{SECRET}@/app?host=a,b,c&port=1,2", "3 hosts and 2 ports"),
        (f"postgresql://ada:{SECRET}@{SECRET}@host/app", "%40"),
        (f"postgresql://ada:{SECRET}/{SECRET}@host/app", "%2F"),
        (f"postgresql://ada:{SECRET}#{SECRET}@host/app", "%23"),
        (f"postgresql://ada:{SECRET}?{SECRET}@host/app", "%3F"),
        (f"postgresql://ada:{SECRET}@a/b?{SECRET}@host/app", "%3F"),
        (f"postgresql://ada:{SECRET}%zz@host/app", "%25"),
        (f"postgresql://ada:{SECRET}%E9@host/app", "UTF-8"),
        (f"postgresql://ada:{SECRET}\udce9@host/app", "UTF-8"),
        (f"postgresql://ada:{SECRET}%00@host/app", "NUL"),
        (f"postgresql://ada:{SECRET} {SECRET}@host/app", "space"),
        (f"postgresql://ada@host/app?password={SECRET}&{SECRET}", "write %26 for a & in the password"),
        (f"postgresql://ada:{SECRET}@host/app?password=other", "it has password twice"),
        (f"postgresql://ada@host/app?sslpassword={SECRET}", "write sslcert and sslkey into the URL, files in PEM"),
        (f"postgresql://ada@host/app?sslpassword={SECRET}&{SECRET}=1", "next to password is unknown"),
        (f"{PLACE}?sslmode=always", "sslmode must be one of disable, allow"),
        (f"{PLACE}?sslmode=require&ssl=disable", "sslmode twice"),
        (f"{PLACE}?sslmode=require&sslmode=disable", "sslmode twice"),
        (f"{PLACE}?channel_binding=maybe", "channel_binding must be one of"),
        (f"{PLACE}?channel_binding=require&sslmode=disable", "channel_binding=require needs TLS"),
        (f"postgresql://ada:{SECRET}@/app?host=/run/pg&channel_binding=require", "channel_binding=require needs TLS"),
        (f"{PLACE}?sslnegotiation=fast", "sslnegotiation must be one of"),
        (f"{PLACE}?sslnegotiation=direct&sslmode=prefer", "sslnegotiation=direct needs TLS"),
        (f"{PLACE}?sslrootcert=system&sslmode=prefer", "sslrootcert=system needs sslmode=verify-full"),
        (f"{PLACE}?sslkey=/me.key", "sslkey needs sslcert"),
        (f"{PLACE}?connect_timeout=soon", "connect_timeout must be"),
        (f"{PLACE}?connect_timeout=0", "connect_timeout must be"),
        (f"{PLACE}?target_session_attrs=fast", "target_session_attrs must be one of any"),
        (f"{PLACE}?options=nonsense", "options must have the form -c name=value"),
        (f"{PLACE}?options=-c", "options must have the form -c name=value"),
        (f"{PLACE}?options=-B%20100", "options must have the form -c name=value"),
        (f"{PLACE}?options=search_path%3Dx", "write -c search_path="),
        (f"{PLACE}?options=-c%20lock_timeout%3D1&lock_timeout=2", "lock_timeout twice"),
        (f"postgresql://ada:{SECRET}@ep-1.neon.tech/app?options=endpoint%3Dep-2", "name different endpoints"),
        (f"{PLACE}?gssencmode=require", "gssencmode is not supported; remove it; only TLS"),
        (f"{PLACE}?pgbouncer=perhaps", "pgbouncer must be true or false"),
        (
            f"postgresql://${{DB_USER}}:{SECRET}@host/app",
            "its user contains ${DB_USER}, a placeholder; write the user instead",
        ),
        (f"postgresql://ada:{SECRET}@$(DB_HOST)/app", "its host contains $(DB_HOST), a placeholder; write the host"),
        (f"postgresql://ada:{SECRET}@{{{{ db.host }}}}/app".replace(" ", ""), "its host contains {{db.host}}"),
        ("postgresql://ada:${DB_PASSWORD}@host/app", "its password contains ${...}, a placeholder; write the password"),
        (
            "postgresql://ada:[YOUR-PASSWORD]@host/app",
            "its password is a placeholder in []; write the password instead",
        ),
        ("postgresql://ada:<db_password>@host/app", "its password is a placeholder in <>"),
        ("postgresql://ada:{your_password}@host/app", "its password is a placeholder in {}"),
        (f"postgresql://ada:{SECRET}@<host>/app", "its host contains <host>, a placeholder; write the host instead"),
        (
            f"postgresql://ada:{SECRET}@aws-0-[REGION].pooler.supabase.com/app",
            "its host contains [REGION], a placeholder",
        ),
        (f"postgresql://ada:{SECRET}@db.{{env}}.example.com/app", "its host contains {env}, a placeholder"),
        (f"postgresql://ada:{SECRET}@[YOUR-HOST]:5432/app", "its host contains [YOUR-HOST], a placeholder"),
        (f"postgresql://ada:{SECRET}@$DB_HOST:5432/app", "its host contains $DB_HOST, a placeholder"),
        (f"postgresql://ada:{SECRET}@%DB_HOST%:5432/app", "its host contains %DB_HOST%, a placeholder"),
        (f"postgresql://ada:{SECRET}@host:${{DB_PORT}}/app", "its host contains ${...}, a placeholder"),
        (f"postgresql://$DB_USER:{SECRET}@host/app", "its user contains $DB_USER, a placeholder; write the user"),
        (f"postgresql://%DB_USER%:{SECRET}@host/app", "its user contains %DB_USER%, a placeholder"),
        ("postgresql://ada:$DB_PASSWORD@host/app", "its password contains $..., a placeholder; write the password"),
        ("postgresql://ada:${DB_PASSWORD:?unset}@host/app", "it contains ${...}, a placeholder"),
        ("postgresql://ada:${DB_PASSWORD:?not set}@host/app", "it contains ${...}, a placeholder; write its value"),
        ("postgresql://ada:#{password}@host/app", "it contains #{...}, a placeholder; write its value instead"),
        ("postgresql://ada:<%= ENV['PW'] %>@host/app", "it contains <%...%>, a placeholder; write its value instead"),
        (f"postgresql://ada:{SECRET}@{{{{ .Values.host }}}}/app", "it contains {{...}}, a placeholder"),
        (
            "${{ secrets.DATABASE_URL }}",
            "it is ${{...}}, a placeholder; write postgresql://user:password@host/database",
        ),
        ("$DATABASE_URL", "it is $..., a placeholder"),
        ("%DATABASE_URL%", "it is %...%, a placeholder"),
        ("<your connection string>", "it is <...>, a placeholder"),
        (f"postgresql://ada:{SECRET}@[/run/pg]/app", "write ?host=/folder after /database"),
        (f"{PLACE}/", "its database contains a /; remove it, or write %2F"),
        (f"{PLACE}&sslmode=require", "its database contains a &; write ? before the first parameter"),
        (f"{PLACE}??sslmode=require", "it has two ? in a row; remove one"),
        (f"{PLACE}?sslmode=require;connect_timeout=5", "it has a ; between two parameters; write & instead"),
        (f"{PLACE}?sslmode=require?connect_timeout=5", "it has a ? between two parameters; write & instead"),
        (f"{PLACE}?connect_timeout=5,sslmode=require", "it has a , between two parameters; write & instead"),
        (f"postgis://ada:{SECRET}@host/app", "begins with postgis://"),
        (f"{PLACE}?ssl=true&sslmode=disable", "sslmode twice"),
        (f"{PLACE}?ssl=false&sslmode=verify-full", "sslmode twice"),
        (f"{PLACE}?ssl=no-verify&sslmode=verify-full", "sslmode twice"),
        (f"{PLACE}?sslaccept=accept_invalid_certs&sslmode=verify-full", "sslmode twice"),
        (f"{PLACE}?sslmode=verify-ca&sslaccept=strict", "sslmode twice"),
        (f"{PLACE}?ssl=true&ssl=false", "it has ssl twice with different values"),
        (f"{PLACE};", "its database contains a ;; remove it, or write %3B"),
        (f"{PLACE},?sslmode=require", "its database contains a ,; remove it, or write %2C"),
        (f"postgresql://ada:{SECRET}@host/[app]", "its database is a placeholder in []"),
        (f"postgresql://ada:{SECRET}@host/a|b", "its database contains a |; remove it, or write %7C"),
        (f"postgresql://ada:{SECRET}@/cloudsql/p:r:i/app", "write ?host=/folder after /database"),
        (f"postgresql://ada:{SECRET}@%40abstract/app", "an abstract socket"),
        (f"postgresql://ada:{SECRET}@/app?host=/{'x' * 100}", "the socket's path is 115 bytes long"),
        (f"postgresql://ada:{SECRET}@/app?host=run/pg", "an invalid host"),
        (f"{PLACE}?requiressl=perhaps", "requiressl must be one of 1, 0; or write sslmode"),
        (f"{PLACE}?sslaccept=always", "sslaccept must be one of strict, accept_invalid_certs; or write sslmode"),
        (f"{PLACE}?client_encoding=latin1", "the parameter client_encoding is not supported; remove it"),
        (f"{PLACE}?max_overflow=5", "write the sum into DATABASE_POOL_SIZE; the pool never grows beyond it"),
        (f"{PLACE}?connection_limit=5", "write DATABASE_POOL_SIZE instead"),
        (f"{PLACE}?pool_timeout=5", "write DATABASE_POOL_TIMEOUT_SECONDS instead"),
        (f"{PLACE}?tcpKeepAlive=true", "see DATABASE_PING_AFTER_IDLE_SECONDS"),
        (f"{PLACE}?schema=a&search_path=b", "search_path twice"),
        (f"{PLACE}?prepared_statement_cache_size=0", "behind a transaction pooler write DATABASE_POOLER=transaction"),
        (
            f"{PLACE}?Maximum%20Pool%20Size=5",
            "the parameter Maximum Pool Size is not supported; write DATABASE_POOL_SIZE",
        ),
        (f"{PLACE}?reWriteBatchedInserts=true", "remove it; the layer does not need it"),
        (f"{PLACE}?conn_max_age=60", "write DATABASE_POOL_RECYCLE_SECONDS instead"),
        (f"{PLACE}?work_mem=64MB", "remove it, or, if it is a setting of the server, write options="),
        (f"{PLACE}?isolation_level=SERIALIZABLE", "write options=-c%20default_transaction_isolation%3Dserializable"),
        (
            f"{PLACE}?sslmode=require&amp;connect_timeout=5",
            "the parameter amp;connect_timeout is not supported; write & instead of &amp;",
        ),
        (f"{PLACE}?keepalives", "the parameter keepalives is not supported; remove it"),
        (f"{PLACE}?a%20b%2F=1", "the parameter with a strange name"),
    ],
)
def test_what_cannot_be_is_refused_in_words_without_the_password(url: str, words: str) -> None:
    """The error names the part and what to write; the password is in no text of it or of its causes."""
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert words in str(caught.value)
    assert str(caught.value).startswith("DATABASE_URL: ")
    assert not caught.value.retryable
    assert SECRET not in recorded_of(caught.value)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12))
def test_a_password_that_is_not_encoded_is_right_or_refused(tail: str) -> None:
    """It never leads to another host, another database or a shorter password, and is never shown."""
    url = f"postgresql://ada:{SECRET}{tail}{SECRET}@host/app"
    # Placeholders that a shell or a template would have filled in.
    unfilled = r"\$\{[^}]*\}|\$\(\w+\)|\{\{[^{}]*\}\}|<%.*%>"
    if set(tail) & set("@/?# ") or re.search(unfilled, tail) or re.search("%(?![0-9a-fA-F]{2})", tail + SECRET):
        with pytest.raises(ConfigurationError) as caught:
            parse_url(url)
        assert SECRET not in recorded_of(caught.value)
    elif "%" not in tail:
        target = parse_url(url)
        assert (target.password, target.hosts, target.database) == (SECRET + tail + SECRET, ("host",), "app")


def test_no_repr_shows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target's, the settings' and the engine's do not."""
    monkeypatch.setenv("DATABASE_URL", PLACE)
    monkeypatch.setenv("DATABASE_DIRECT_URL", PLACE)
    settings = DatabaseSettings()
    engine = Database(settings).engine
    for value in (parse_url(PLACE), settings, settings.target(), settings.direct_target(), engine, engine.url):
        assert SECRET not in f"{value!r} {value}"


_WORDS = """postgresql:// postgres :// ada : @ host / app ? & = , ; % %2F [ ] ::1 5432 host= options= -c sslmode=
password= endpoint= ' " \0 é ${A} psql DATABASE_URL= \udc80 -pooler .neon.tech /cloudsql/a:b:c port= user= \\"""

_PIECES = st.sampled_from([*_WORDS.split(), " "])
_REST = st.lists(_PIECES | st.text(max_size=3), max_size=8).map("".join)


@given(
    before=_REST, after=_REST, form=st.sampled_from(["{0}{1}{2}", "postgresql://ada:{0}{1}{2}@host/app", "{0}:{1}@{2}"])
)
def test_any_text_is_a_target_or_a_configuration_error(before: str, after: str, form: str) -> None:
    """No other error occurs; the part before the parameters is in no text, frame or repr."""
    text = form.format(before, SECRET, after)
    problem = target = None
    try:
        target = parse_url(text)
    except ConfigurationError as error:
        problem = error
    if problem is not None:
        assert problem.args[0].startswith("DATABASE_URL: ")
        assert SECRET not in recorded_of(problem) or "?" in before
    if target is not None:
        assert all(0 < port <= 65535 for port in target.ports)
        assert len(target.hosts) == len(target.ports)
        assert target.user
        assert target.database
        assert SECRET not in (target.password or "") or SECRET not in repr(target)


@pytest.mark.parametrize("length", [9_000, 10**6])
@pytest.mark.parametrize("piece", ["'", "a", "@", "%41", "a,", "[", "?a=b&", "psql ", "\\ "])
def test_a_long_text_is_read_once(piece: str, length: int) -> None:
    """Reading does not recurse, and a text longer than any URL is not read at all."""
    with suppress(ConfigurationError):
        parse_url("postgresql://ada:" + piece * (length // len(piece)) + "@host/app")
    with suppress(ConfigurationError):
        parse_url(piece * (length // len(piece)))
