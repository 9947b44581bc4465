"""`manage.py dbshell`, with the psql that comes with the server."""

from collections.abc import Iterable

from django.db.backends.postgresql import client

from . import binaries


class DatabaseClient(client.DatabaseClient):
    executable_name = str(binaries.installed() / "psql")

    def runshell(self, parameters: Iterable[str]) -> None:
        parameters_of_server = self.connection.get_connection_params()
        for name in ("host", "port", "user"):
            self.connection.settings_dict[name.upper()] = parameters_of_server[name]
        super().runshell(parameters)
