#!/bin/sh
# Give PgBouncer the one user there is: it must know the password to log in at the server, too.
set -eu
umask 077

quoted() {
  printf '"%s"' "$(printf '%s' "$1" | sed 's/"/""/g')"
}

printf '%s %s\n' "$(quoted "$POSTGRES_USER")" "$(quoted "$POSTGRES_PASSWORD")" >/tmp/users.txt
exec pgbouncer "${1:-/etc/pgbouncer/pgbouncer.ini}"
