"""The ground the other tests stand on: two servers that can be lost, found again, and never left behind."""

import os
import signal
import subprocess
import sys

import psycopg
import pytest

from servers import throwaway
from waiting import wait_until


def test_the_two_servers_are_not_the_same_one(servers):
    identifiers = {
        server.database("postgres").value("SELECT system_identifier FROM pg_control_system()")
        for server in (servers.source, servers.target)
    }
    assert len(identifiers) == 2


def test_databases_are_empty_and_ones_own(databases):
    for database in (databases.source, databases.target):
        assert database.value("SELECT current_database()") == database.name
        assert database.sql("SELECT relname FROM pg_stat_user_tables") == []


def test_the_loopback_port_asks_for_the_password(databases):
    tcp_conninfo = databases.target.tcp_conninfo
    with psycopg.connect(tcp_conninfo) as connection:
        assert connection.execute("SELECT inet_server_addr() IS NOT NULL").fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(tcp_conninfo.replace("password=", "password=x"))


def test_a_server_that_was_lost_comes_back_with_its_data(databases):
    databases.source_sql("CREATE TABLE kept (id integer)")
    databases.source_sql("INSERT INTO kept VALUES (1)")
    databases.source.server.down()
    assert not databases.source.server.is_up()
    databases.source.server.up()
    assert databases.source_sql("SELECT id FROM kept") == [(1,)]


def test_servers_go_when_their_owner_is_killed(tmp_path_factory, servers):
    directory = servers.directory + "-owned"
    owner = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        throwaway("start", "--owner", owner.pid, directory)
        with open(f"{directory}/source/data/postmaster.pid") as file:
            server_pid = int(file.readline())
        assert is_alive(server_pid)
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdin.close()
    wait_until(lambda: not os.path.exists(directory), 20, "the directory is gone")
    assert not is_alive(server_pid)


def is_alive(pid):
    """Whether it runs; a zombie that nobody has waited for does not."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read() != ""
    except FileNotFoundError:
        return False


def test_a_directory_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(AssertionError, match="not a directory of throw-away servers"):
        throwaway("stop", tmp_path)
    with pytest.raises(AssertionError, match="not empty"):
        throwaway("start", tmp_path)
    assert (tmp_path / "precious").exists()
