"""daphne's runserver, which first makes the embedded database ready to be looked at."""

import os
import socket
from typing import Any

from daphne.management.commands import runserver
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config import demo
from config.database import EMBEDDED_ENGINE

# Set for the autoreloader's child processes: what is done once a start was done by their parent.
PREPARED = "RUNSERVER_PREPARED"


class Command(runserver.Command):
    def run(self, **options: Any) -> None:
        if PREPARED not in os.environ:
            self.refuse_a_port_in_use()
            # Only the checkout's own database. On somebody's server, Django says what is missing.
            is_to_try = (
                settings.DEBUG and settings.DATABASES["default"]["ENGINE"] == EMBEDDED_ENGINE
            )
            if is_to_try:
                self.prepare_database()
            self.stdout.write(self.welcome(with_accounts=is_to_try))
            os.environ[PREPARED] = "1"
        super().run(**options)

    def refuse_a_port_in_use(self) -> None:
        # daphne would say “Listen failure” and end as if all were well.
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
            # Two that start at the same time take turns.
            cursor.execute("SELECT pg_advisory_lock(hashtext('runserver'))")
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Bringing the embedded database up to date …")
            call_command("migrate", verbosity=0, interactive=False)
        demo.create_accounts()
        connection.close()  # and with it the lock

    def welcome(self, *, with_accounts: bool) -> str:
        site = f"http://{self.host_to_visit()}:{self.port}"
        lines = [
            "",
            f"  The bell    {site}/",
            f"  The admin   {site}/admin/",
            f"  The API     {site}/api/docs/",
            "",
        ]
        if with_accounts:
            lines += [demo.accounts_text(), "", ""]
        return "\n".join(lines)

    def host_to_visit(self) -> str:
        if self.addr in ("0", "0.0.0.0", "::"):
            return "localhost"
        return f"[{self.addr}]" if self._raw_ipv6 else self.addr
