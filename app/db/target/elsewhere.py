"""Parameters of other clients that the layer refuses, each with what to write instead."""

from collections.abc import Mapping
from typing import Final

_POOL_SIZE: Final = "write DATABASE_POOL_SIZE instead"
_POOL_TIMEOUT: Final = "write DATABASE_POOL_TIMEOUT_SECONDS instead"
_RECYCLE: Final = "write DATABASE_POOL_RECYCLE_SECONDS instead"
_COMMAND_TIMEOUT: Final = "write DATABASE_COMMAND_TIMEOUT_SECONDS instead"
_CONNECT_TIMEOUT: Final = "write connect_timeout instead, in seconds"
_PREPARED: Final = "remove it; it follows from DATABASE_POOLER"
_KEEPALIVES: Final = "remove it; an idle connection is checked before it is used, see DATABASE_PING_AFTER_IDLE_SECONDS"
_HANDLED: Final = "remove it; the layer does not need it"
_UTF8: Final = "remove it; text is always sent as UTF-8"
_TLS: Final = "remove it; sslmode controls TLS, which is version 1.2 or later"
_PEM: Final = "write sslcert and sslkey, files in PEM, the key unencrypted"
_SESSION_ATTRS: Final = "write target_session_attrs instead"

ELSEWHERE: Final[Mapping[str, str]] = {
    # Poolers and pools: Prisma, SQLAlchemy, asyncpg, pgx, node-postgres, Rails
    "connection_limit": _POOL_SIZE,
    "pool_size": _POOL_SIZE,
    "max_connections": _POOL_SIZE,
    "max_size": _POOL_SIZE,
    "pool_max_conns": _POOL_SIZE,
    "maxpoolsize": _POOL_SIZE,
    "pool": _POOL_SIZE,
    "max": _POOL_SIZE,
    "max_overflow": "remove it; the pool never grows beyond DATABASE_POOL_SIZE",
    "min_size": "remove it; connections are opened when they are needed",
    "pool_min_conns": "remove it; connections are opened when they are needed",
    "pool_timeout": _POOL_TIMEOUT,
    "checkout_timeout": _POOL_TIMEOUT,
    "connectiontimeoutmillis": _POOL_TIMEOUT,
    "pool_recycle": _RECYCLE,
    "pool_max_conn_lifetime": _RECYCLE,
    "max_connection_lifetime": _RECYCLE,
    "max_idle_connection_lifetime": _RECYCLE,
    "pool_max_conn_idle_time": _RECYCLE,
    "idletimeoutmillis": _RECYCLE,
    "max_inactive_connection_lifetime": _RECYCLE,
    "pool_pre_ping": "write DATABASE_PING_AFTER_IDLE_SECONDS=0 instead",
    "pool_use_lifo": _HANDLED,
    "single_use_connections": _HANDLED,
    "supa": "remove it; it tells Supabase where the URL was copied",
    "workaround": "remove it; Supabase's pooler needs none here",
    # Timeouts
    "command_timeout": _COMMAND_TIMEOUT,
    "socket_timeout": _COMMAND_TIMEOUT,
    "sockettimeout": _COMMAND_TIMEOUT,
    "query_timeout": _COMMAND_TIMEOUT,
    "timeout": _CONNECT_TIMEOUT,
    "connecttimeout": _CONNECT_TIMEOUT,
    "logintimeout": _CONNECT_TIMEOUT,
    "keepalives": _KEEPALIVES,
    "keepalives_idle": _KEEPALIVES,
    "keepalives_interval": _KEEPALIVES,
    "keepalives_count": _KEEPALIVES,
    "tcpkeepalive": _KEEPALIVES,
    "tcp_user_timeout": _KEEPALIVES,
    # Prepared statements
    "prepared_statement_cache_size": _PREPARED,
    "prepared_statement_name_func": _PREPARED,
    "statement_cache_size": _PREPARED,
    "statement_cache_capacity": _PREPARED,
    "max_cached_statement_lifetime": _PREPARED,
    "max_cacheable_statement_size": _PREPARED,
    "prepared_statements": _PREPARED,
    "preparethreshold": _PREPARED,
    "preparedstatementcachequeries": _PREPARED,
    "prefer_simple_protocol": _PREPARED,
    "default_query_exec_mode": _PREPARED,
    "binary_parameters": _PREPARED,
    "async_fallback": _HANDLED,
    "rewritebatchedinserts": _HANDLED,
    # TLS and authentication
    "gssencmode": "remove it; only TLS is supported, see sslmode",
    "gssdelegation": "remove it; Kerberos is not used",
    "gsslib": "remove it; Kerberos is not used",
    "krbsrvname": "remove it; Kerberos is not used",
    "require_auth": "remove it; sslmode=verify-full keeps an impostor from asking for a password",
    "requirepeer": "remove it; let only the server's user write to the socket's folder",
    "passfile": "write the password into the URL",
    "service": "write its parameters into the URL",
    "servicefile": "write its parameters into the URL",
    "sslpassword": "write sslkey, a file whose key is unencrypted",
    "sslidentity": _PEM,
    "sslcrl": "remove it; certificate revocation lists are not supported",
    "sslcrldir": "remove it; certificate revocation lists are not supported",
    "sslcertmode": "remove it; a certificate is sent if sslcert names one",
    "sslfactory": "remove it; write sslmode=require or verify-full",
    "sslcompression": _TLS,
    "sslsni": _TLS,
    "sslkeylogfile": _TLS,
    "ssl_min_protocol_version": _TLS,
    "ssl_max_protocol_version": _TLS,
    "direct_tls": "write sslnegotiation=direct instead",
    "tls": "write sslmode=require or verify-full",
    "min_protocol_version": "remove it; PostgreSQL 14 to 18 use the same version",
    "max_protocol_version": "remove it; PostgreSQL 14 to 18 use the same version",
    "scram_client_key": "write the password into the URL",
    "scram_server_key": "write the password into the URL",
    "oauth_issuer": "write a password into the URL; OAuth is not supported",
    "oauth_client_id": "write a password into the URL; OAuth is not supported",
    "oauth_client_secret": "write a password into the URL; OAuth is not supported",
    "oauth_scope": "write a password into the URL; OAuth is not supported",
    # Where to connect, and as whom
    "hostaddr": "write the address as the host",
    "username": "write user:password@ before the host",
    "database": "write the database after the host: /database",
    "db": "write the database after the host: /database",
    "load_balance_hosts": "remove it; hosts are tried in their order",
    "targetservertype": _SESSION_ATTRS,
    "replication": "remove it; replication is not supported",
    "client_encoding": _UTF8,
    "encoding": _UTF8,
    "charset": _UTF8,
    "variables": "write options=-c%20name%3Dvalue instead",
    "server_settings": "write options=-c%20name%3Dvalue instead",
}
"""By the name in lower case: JDBC's have capitals."""
