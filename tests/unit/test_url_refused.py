"""A URL that cannot be is refused in words that say what to write, and never show the password."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.url import parse_url
from tests.support.canary import SECRET, shown_by

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
        (f"postgresql://ada:{SECRET}/app", "the port is no number"),
        (f"postgresql://ada:{SECRET}@host:http/app", "the port is no number"),
        (f"postgresql://ada:{SECRET}@host:70000/app", "the port is no number from 1 to 65535"),
        (f"postgresql://ada:{SECRET}@host:0/app", "the port is no number"),
        (f"postgresql://ada:{SECRET}@2001:db8::1/app", "IPv6"),
        (f"postgresql://ada:{SECRET}@one,,two/app", "a host that cannot be one"),
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
        (f"postgresql://ada@host/app?password={SECRET}&x", "password cannot be a parameter"),
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
        (f"{PLACE}?options=nonsense", "options must be like -c name=value"),
        (f"{PLACE}?options=-c", "options must be like -c name=value"),
        (f"{PLACE}?options=-B%20100", "options must be like -c name=value"),
        (f"{PLACE}?options=search_path%3Dx", "write -c search_path="),
        (f"{PLACE}?options=-c%20lock_timeout%3D1&lock_timeout=2", "lock_timeout twice"),
        (f"postgresql://ada:{SECRET}@ep-1.neon.tech/app?options=endpoint%3Dep-2", "another endpoint than the host"),
        (f"{PLACE}?gssencmode=require", "gssencmode is not supported; only TLS"),
        (f"{PLACE}?pgbouncer=true", "write DATABASE_POOLER=transaction"),
        (f"{PLACE}?prepared_statement_cache_size=0", "follows from DATABASE_POOLER"),
        (f"{PLACE}?sslmode=require&amp;connect_timeout=5", "the parameter amp;connect_timeout is not supported"),
        (f"{PLACE}?keepalives", "the parameter keepalives is not supported; remove it"),
        (f"{PLACE}?a%20b=1", "the parameter with a strange name"),
    ],
)
def test_what_cannot_be_is_refused_in_words_without_the_password(url: str, words: str) -> None:
    """The error names the part and what to write; the password is in no text of it, nor of anything behind it."""
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert words in str(caught.value)
    assert str(caught.value).startswith("DATABASE_URL: ")
    assert not caught.value.retryable
    assert SECRET not in shown_by(caught.value)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12))
def test_a_password_that_is_not_encoded_is_right_or_refused(tail: str) -> None:
    """Never another host, another database or a shorter password, and never shown."""
    url = f"postgresql://ada:{SECRET}{tail}{SECRET}@host/app"
    if set(tail) & set("@/?# ") or re.search("%(?![0-9a-fA-F]{2})", tail + SECRET):
        with pytest.raises(ConfigurationError) as caught:
            parse_url(url)
        assert SECRET not in shown_by(caught.value)
    elif "%" not in tail:
        target = parse_url(url)
        assert (target.password, target.hosts, target.database) == (SECRET + tail + SECRET, ("host",), "app")


def test_no_repr_shows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the target's, nor the settings', nor the engine's."""
    monkeypatch.setenv("DATABASE_URL", PLACE)
    monkeypatch.setenv("DATABASE_DIRECT_URL", PLACE)
    settings = DatabaseSettings()
    engine = Database(settings).engine
    for value in (parse_url(PLACE), settings, settings.target(), settings.direct_target(), engine, engine.url):
        assert SECRET not in f"{value!r} {value}"
