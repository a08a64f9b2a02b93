#!/bin/bash
# The entry point of the stand-in Postgres. It keeps the contract of the official image, as its documentation describes
# it: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, scripts in
# /docker-entrypoint-initdb.d, and the server's arguments after "postgres".
set -euo pipefail

# A secret may be in a file instead: <NAME>_FILE.
from_file() {
    local file="${1}_FILE"
    [ -z "${!file:-}" ] && return
    [ -n "${!1:-}" ] && { echo "set either $1 or $file, not both" >&2; exit 1; }
    export "$1=$(<"${!file}")"
    unset "$file"
}

# The first start: an empty data directory becomes a cluster with its user and database.
initialize() {
    from_file POSTGRES_PASSWORD; from_file POSTGRES_USER; from_file POSTGRES_DB; from_file POSTGRES_INITDB_ARGS
    local user="${POSTGRES_USER:-postgres}" auth="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
    local database="${POSTGRES_DB:-$user}"
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$auth" != trust ]; then
        echo "set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust for a database that anyone may use" >&2
        exit 1
    fi
    # A password file on a file descriptor: it is in no argument and in no file.
    # shellcheck disable=SC2086  # the arguments are several words
    initdb --pgdata="$PGDATA" --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-}") \
        ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all %s\n' "$auth" >> "$PGDATA/pg_hba.conf"

    # Until it is complete it listens on its socket only, so that nobody takes it for ready.
    PGUSER="$user" pg_ctl --pgdata="$PGDATA" --wait --options="$(printf ' %q' "${@:2}" -c 'listen_addresses=')" start
    if [ "$database" != postgres ]; then
        psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname=postgres --set=name="$database" \
            <<< 'CREATE DATABASE :"name"'
    fi
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
            *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$script" ;;
            *.sql.gz) gunzip --stdout "$script" |
                psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" ;;
        esac
    done
    PGUSER="$user" pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
    unset PGPASSWORD
}

[ "${1:-}" = "" ] || [ "${1:0:1}" = - ] && set -- postgres "$@"

if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chmod 700 "$PGDATA"
        chmod 3777 /var/run/postgresql
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres:postgres {} +
        # The server refuses to run as root.
        exec gosu postgres "$0" "$@"
    fi
    asks_only=
    for argument in "$@"; do
        case "$argument" in -\?|--help|--describe-config|-V|--version) asks_only=yes ;; esac
    done
    [ -n "$asks_only" ] || [ -s "$PGDATA/PG_VERSION" ] || initialize "$@"
fi
exec "$@"
