"""Names that other clients give to settings of a connection, each with what to write instead."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

# By the advice; names of libpq, JDBC, Npgsql, Prisma, node-postgres, pgx, asyncpg, SQLAlchemy, Django and Rails.
_NAMES: Final = {
    "write DATABASE_POOL_SIZE instead": """
        connection_limit pool_size max_connections max_conns max_size max_pool_size maximum_pool_size pool_max
        pool_max_conns pool_max_size max_pool pool max max_threads""",
    "write the sum into DATABASE_POOL_SIZE; the pool never grows beyond it": """
        max_overflow pool_max_overflow pool_overflow overflow""",
    "write DATABASE_PING_AFTER_IDLE_SECONDS=0 instead": "pool_pre_ping pre_ping",
    "remove it; connections are opened when they are needed": """
        min_size min_pool_size minimum_pool_size min_connections pool_min_conns""",
    "write DATABASE_POOL_TIMEOUT_SECONDS instead": "pool_timeout checkout_timeout connection_timeout_millis",
    "write DATABASE_POOL_RECYCLE_SECONDS instead": """
        pool_recycle recycle pool_max_conn_lifetime max_connection_lifetime max_idle_connection_lifetime
        connection_idle_lifetime connection_lifetime pool_max_conn_idle_time idle_timeout_millis idle_timeout
        max_inactive_connection_lifetime conn_max_age max_uses""",
    "write DATABASE_COMMAND_TIMEOUT_SECONDS instead": "command_timeout socket_timeout query_timeout read_timeout",
    "write connect_timeout, in seconds, into the URL instead": """
        timeout login_timeout connection_timeout ssl_response_timeout""",
    "remove it; an idle connection is checked before it is used, see DATABASE_PING_AFTER_IDLE_SECONDS": """
        keepalives keepalives_idle keepalives_interval keepalives_count keep_alive tcp_keep_alive tcp_keepalive
        keep_alive_initial_delay_millis tcp_user_timeout""",
    "remove it; behind a transaction pooler write DATABASE_POOLER=transaction": """
        prepared_statement_cache_size prepared_statement_name_func statement_cache_size statement_limit
        statement_cache_capacity statement_cache_mode description_cache_capacity max_cached_statement_lifetime
        max_cacheable_statement_size prepared_statements disable_prepared_statements prepare prepare_threshold
        prepared_statement_cache_queries prepared_statement_cache_size_mib prefer_simple_protocol
        prefer_query_mode default_query_exec_mode binary_parameters max_auto_prepare""",
    "remove it; the layer does not need it": """
        pool_use_lifo single_use_connections pool_max_conn_lifetime_jitter pool_health_check_period pooling
        multiplexing conn_health_checks reaping_frequency allow_exit_on_idle async_fallback
        rewrite_batched_inserts default_row_fetch_size binary_transfer binary stringtype
        assume_min_server_version executemany_mode use_native_hstore future adapter engine driver advisory_locks
        database_tasks disable_server_side_cursors plugin""",
    "remove it; each call outside a transaction is committed at once": "autocommit",
    "remove it; db.transaction() begins a transaction": "atomic_requests",
    "write options=-c%20default_transaction_isolation%3Dserializable into the URL instead": "isolation_level",
    "write options=-c%20default_transaction_read_only%3Don into the URL instead": "read_only",
    "write options=-c%20client_min_messages%3Dwarning into the URL instead": "min_messages",
    "remove it; DATABASE_ECHO=true logs statements": "logger_level logger_file echo_sql echo_pool logging",
    "remove it; it tells Supabase where the URL was copied": "supa",
    "remove it; Supabase's pooler needs none here": "workaround",
    "remove it; only TLS is supported, see sslmode": "gssencmode",
    "remove it; Kerberos is not used": "gssdelegation gsslib krbsrvname kerberos_server_name jaas_login",
    "remove it; sslmode=verify-full keeps an impostor from asking for a password": "require_auth",
    "remove it; let only the server's user write to the socket's folder": "requirepeer",
    "write the password into the URL": "passfile scram_client_key scram_server_key",
    "write its parameters into the URL": "service servicefile",
    "write sslcert and sslkey into the URL, files in PEM, the key unencrypted": "sslidentity sslpassword",
    "remove it; certificate revocation lists are not supported": "sslcrl sslcrldir check_certificate_revocation",
    "remove it; a certificate is sent if sslcert names one": "sslcertmode",
    "write sslmode=require or sslmode=verify-full into the URL instead": """
        sslfactory sslverify ssl_require require_ssl ssl_required use_ssl ssl_mode tls tls_mode use_tls
        reject_unauthorized ssl_reject_unauthorized trust_server_certificate verify_ssl""",
    "remove it; sslmode controls TLS, which is version 1.2 or later": """
        sslcompression sslsni sslkeylogfile ssl_min_protocol_version ssl_max_protocol_version""",
    "remove it; sslmode means what it means in libpq": "uselibpqcompat",
    "write sslnegotiation=direct into the URL instead": "direct_tls",
    "remove it; PostgreSQL 14 to 18 use the same version": "min_protocol_version max_protocol_version",
    "write a password into the URL; OAuth is not supported": """
        oauth_issuer oauth_client_id oauth_client_secret oauth_scope""",
    "write the address as the host": "hostaddr",
    "write user:password@ before the host in the URL": "username user_id uid",
    "write the database after the host in the URL: /database": "database db initial_catalog",
    "write host=/folder into the URL instead": "socket unix_socket",
    "write options=endpoint%3Dname into the URL instead": "endpoint",
    "remove it; hosts are tried in their order": "load_balance_hosts",
    "write target_session_attrs into the URL instead": "target_server_type",
    "remove it; replication is not supported": "replication",
    "remove it; text is always sent as UTF-8": "client_encoding encoding charset",
    "write options=-c%20name%3Dvalue into the URL instead": "variables server_settings options",
    "write DATABASE_POOLER=transaction instead": "pgbouncer use_pgbouncer transaction_pooler",
    "write search_path=name into the URL instead": "schema search_path schema_search_path current_schema",
    "write timezone=name into the URL instead": "timezone",
    "write DATABASE_ROW_LEVEL_SECURITY=true instead": "rls",
    "write DATABASE_APPLICATION_NAME instead": "app_name",
}


def _plain(name: str) -> str:
    """Return a name without what its spellings differ in: capitals, underscores, spaces."""
    return re.sub(r"[\W_]", "", name).lower()


@cache
def known_elsewhere() -> Mapping[str, str]:
    """Return the advice by the name in lower case and without underscores: JDBC's have capitals, Npgsql's spaces."""
    return {_plain(name): advice for advice, names in _NAMES.items() for name in names.split()}


def advice_on(name: str) -> str | None:
    """Return what to write instead of a setting that other clients call `name`."""
    return known_elsewhere().get(_plain(name))
