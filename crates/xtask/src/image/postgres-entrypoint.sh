#!/bin/sh
# Stands in for the official image's entry point: makes the database on the first start, then becomes the server.
set -eu

mkdir -p "$PGDATA"
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user="${POSTGRES_USER:-postgres}"
    password="$(mktemp)"
    printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
    initdb --username="$user" --pwfile="$password" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8
    rm "$password"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    if [ "${POSTGRES_DB:-$user}" != postgres ]; then
        echo "create database \"${POSTGRES_DB:-$user}\"" | postgres --single -j -D "$PGDATA" postgres
    fi
fi
exec "$@"
