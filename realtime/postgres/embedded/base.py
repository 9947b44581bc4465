"""Django's PostgreSQL backend, connected to the embedded server."""

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

if sys.platform == "win32":
    raise ImproperlyConfigured(
        "The embedded PostgreSQL runs on Linux and macOS only. On Windows, set DATABASE_URL to a "
        "PostgreSQL server of your own: postgresql://user:password@localhost:5432/name."
    )

from .client import DatabaseClient
from .server import server_in


class DatabaseWrapper(base.DatabaseWrapper):
    """`FOLDER` in the database's settings says where the server and its data lie."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        # Here and not in the settings: commands without a database (collectstatic) start no server.
        server = server_in(self.settings_dict["FOLDER"])
        return {**super().get_connection_params(), **server.connection_parameters()}
