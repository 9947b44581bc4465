"""daphne's runserver, which first prepares the embedded database."""

import logging
import os
import socket
import sys
import threading
from io import TextIOWrapper
from typing import Any

from daphne.management.commands import runserver
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from config import logs, tasks
from config.database import EMBEDDED_ENGINE
from config.demo import accounts

# Set for the autoreloader's child processes, whose parent has already done the preparations.
PREPARED = "RUNSERVER_PREPARED"
# Requests that aren't logged: static files, and those that the demo makes every second.
TELL_NOTHING = (settings.STATIC_URL, "/demo/published/")


class Command(runserver.Command):
    def run(self, **options: Any) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            # Each line appears when it is written, in a file or a pipe as well.
            sys.stdout.reconfigure(line_buffering=True)
        if PREPARED not in os.environ:
            self.refuse_a_port_in_use()
            # Only the checkout's own database is migrated. For another one we say what is missing.
            is_to_try = (
                settings.DEBUG and settings.DATABASES["default"]["ENGINE"] == EMBEDDED_ENGINE
            )
            try:
                if is_to_try:
                    self.prepare_database()
                else:
                    self.refuse_an_old_schema()
            except OperationalError as error:
                raise CommandError(unreachable(error)) from error
            self.stdout.write(self.welcome(with_accounts=is_to_try))
            os.environ[PREPARED] = "1"
        super().run(**options)

    def refuse_a_port_in_use(self) -> None:
        # daphne would print “Listen failure” and exit with status 0.
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.addr, int(self.port)))
            except OSError as error:
                raise CommandError(
                    f"Can't listen on {self.addr}:{self.port}: {error.strerror}. "
                    f"Take another port, for example: manage.py runserver {int(self.port) + 1}"
                ) from error

    def prepare_database(self) -> None:
        with connection.cursor() as cursor:
            # Two processes that start at the same time take turns.
            cursor.execute("SELECT pg_advisory_lock(hashtext('runserver'))")
        if missing_migrations():
            self.stdout.write("Bringing the embedded database up to date …")
            call_command("migrate", verbosity=0, interactive=False)
        accounts.create_accounts()
        connection.close()  # and with it the lock

    def refuse_an_old_schema(self) -> None:
        missing = missing_migrations()
        connection.close()
        if missing:
            raise CommandError(
                f"The database {connection.settings_dict['NAME']!r} is not up to date: it lacks "
                f"{missing} migration{'s' if missing > 1 else ''}. Run: manage.py migrate"
            )

    def inner_run(self, *args: Any, **options: Any) -> None:
        # A line for each event. It isn't in the settings, because nobody watches other servers.
        delivery = logging.getLogger("realtime.delivery")
        delivery.setLevel(logging.DEBUG)
        delivery.addFilter(logs.OrderEvents())
        # So that one command runs everything, imports and exports too. It ends with this process.
        threading.Thread(target=tasks.work_for_ever, name="tasks", daemon=True).start()
        super().inner_run(*args, **options)

    def check_migrations(self) -> None:
        # Called again in each process that the autoreloader starts. The site goes on running while
        # its database is away, and shows that.
        try:
            super().check_migrations()
        except OperationalError as error:
            self.stderr.write(self.style.WARNING(unreachable(error)))

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        """Don't log successful requests of TELL_NOTHING: a page has twenty static files."""
        tells_nothing = str(details.get("path", "")).startswith(TELL_NOTHING)
        if not (tells_nothing and details.get("status", 500) < 400):
            super().log_action(protocol, action, details)

    def welcome(self, *, with_accounts: bool) -> str:
        site = f"http://{self.host_to_visit()}:{self.port}"
        demo = [f"  The demo    {site}/demo/    see it live, break it, watch it heal"]
        lines = [
            "",
            *(demo if with_accounts else []),
            f"  The shop    {site}/",
            f"  The admin   {site}/admin/",
            f"  The API     {site}/api/docs/",
            "",
        ]
        if with_accounts:
            lines += [accounts.accounts_text(), "", ""]
        return "\n".join(lines)

    def host_to_visit(self) -> str:
        if self.addr in ("0", "0.0.0.0", "::"):
            return "localhost"
        return f"[{self.addr}]" if self._raw_ipv6 else self.addr


def missing_migrations() -> int:
    """How many migrations the database lacks. Raises OperationalError if it can't be asked."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def unreachable(error: OperationalError) -> str:
    """One sentence that says how to fix a database that can't be reached."""
    if connection.settings_dict["ENGINE"] == EMBEDDED_ENGINE:
        return str(error)  # the embedded server's error already says that
    place = connection.settings_dict
    reason = next(iter(str(error).strip().splitlines()), "no reason given").rstrip(".")
    return (
        f"The database {place['NAME']!r} of DATABASE_URL can't be reached: {reason}. Start that "
        "server or correct DATABASE_URL; without it, the project runs a PostgreSQL of its own."
    )
