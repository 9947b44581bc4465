from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo import accounts


class Command(BaseCommand):
    help = (
        "Create the demo accounts in this database, for trying the site out on a server of your "
        "own (DATABASE_URL). On the embedded server runserver does it by itself."
    )
    requires_migrations_checks = True

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError(
                "The demo accounts are not for production, because everybody knows their password. "
                "Create your own with `manage.py createsuperuser`."
            )
        for username in accounts.create_accounts():
            self.stdout.write(f"Created {username}.")
        self.stdout.write(accounts.accounts_text())
