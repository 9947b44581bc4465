"""The settings of the database: the PostgreSQL of DATABASE_URL, otherwise the embedded one."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

EMBEDDED_ENGINE = "realtime.postgres.embedded"
# A server that has silently gone has to cause an error after some seconds, instead of a request
# that waits for hours. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
NOTICE_DEATH = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


def from_url(url: str) -> dict[str, Any]:
    """Django's settings for a URL (or any connection string) that libpq understands."""
    # Neither message repeats the value, nor is the original error chained: both may hold a
    # password.
    try:
        options = conninfo_to_dict(url)
    except ProgrammingError:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a PostgreSQL URL. It looks like "
            "postgresql://user:password@host:5432/name, or postgresql:///name?host=/socket/folder; "
            "other characters than letters and digits in the password have to be %-encoded."
        ) from None
    if not options.get("dbname"):
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: postgresql://user:password@host:5432/name."
        )
    options = {**NOTICE_DEATH, **options}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": options.pop("dbname"),
        "USER": options.pop("user", ""),
        "PASSWORD": options.pop("password", ""),
        "HOST": options.pop("host", ""),
        "PORT": options.pop("port", ""),
        "OPTIONS": options,
    }


def embedded(folder: Path) -> dict[str, Any]:
    """Django's settings for a PostgreSQL of this checkout's own, which starts when it is needed."""
    return {"ENGINE": EMBEDDED_ENGINE, "NAME": "postgres", "FOLDER": folder}
