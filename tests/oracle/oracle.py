#!/usr/bin/python3
"""The oracle's verdict on a migrated clinic.

    oracle.py --source CONNINFO --target CONNINFO [--stale-allowed]

Makes a throw-away database on the target's server, runs oracle.sql there and drops it again. Prints up to
50 findings and how many there are; exits 0 if there are none, 1 if there are some, 2 if it could not tell.
"""

import argparse
import os
import pathlib
import subprocess
import sys

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

ORACLE_SQL = pathlib.Path(__file__).parent / "oracle.sql"
SHOWN_FINDINGS = 50


def psql_variables(side, conninfo):
    """What import.sql needs to reach one side, as the connection itself resolved it."""
    with psycopg.connect(conninfo) as connection:
        info = connection.info
        values = {"host": info.host, "port": info.port, "dbname": info.dbname,
                  "user": info.user, "password": info.password}
    return [f"--set={side}_{name}={value or ''}" for name, value in values.items()]


def run_oracle(source, target, strict=True):
    """Compare two clinics; return (findings, rows compared, entities compared)."""
    variables = psql_variables("source", source) + psql_variables("target", target)
    database = sql.Identifier(f"oracle_{os.getpid()}")
    with psycopg.connect(target, autocommit=True) as server:
        strategy = "STRATEGY file_copy" if server.info.server_version >= 150000 else ""  # half the price
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' " + strategy).format(database))
        try:
            here = make_conninfo(target, dbname=f"oracle_{os.getpid()}")
            subprocess.run(["psql", "--no-psqlrc", "--quiet", "--dbname", here, f"--set=strict={int(strict)}",
                            *variables, "--output", os.devnull, "--file", str(ORACLE_SQL)], check=True)
            with psycopg.connect(here) as connection:
                findings = connection.execute(
                    "SELECT entity, kind, legacy_key, coalesce(column_name, '')"
                    "  FROM finding ORDER BY entity, kind, legacy_key, column_name").fetchall()
                rows, entities = connection.execute(
                    "SELECT sum(source_rows), count(*) FROM compared").fetchone()
        finally:
            server.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(database))
    return findings, rows, entities


def print_findings(findings):
    table = [("entity", "kind", "legacy key", "column"), *findings[:SHOWN_FINDINGS]]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    if len(findings) > SHOWN_FINDINGS:
        print(f"… and {len(findings) - SHOWN_FINDINGS} more")


def main():
    parser = argparse.ArgumentParser(description="Compare a migrated clinic with what it ought to be.")
    parser.add_argument("--source", required=True, metavar="CONNINFO", help="the legacy clinic")
    parser.add_argument("--target", required=True, metavar="CONNINFO", help="the modern clinic; needs a superuser")
    parser.add_argument("--stale-allowed", action="store_true",
                        help="a row that was spoiled after it had been migrated may be there in its older state")
    arguments = parser.parse_args()
    try:
        findings, rows, entities = run_oracle(arguments.source, arguments.target, not arguments.stale_allowed)
    except (psycopg.Error, OSError) as error:
        print(f"oracle: could not compare: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        # What went wrong psql has said; its arguments hold passwords.
        print(f"oracle: could not compare: psql ended with status {error.returncode}", file=sys.stderr)
        return 2
    if findings:
        print_findings(findings)
    print(f"oracle: {rows} rows compared in {entities} entities, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
