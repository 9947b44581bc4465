from django.apps import AppConfig
from django.core.checks import register


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Realtime streams"

    def ready(self) -> None:
        from . import checks
        from .access import revocation

        register(checks.check_settings, "realtime")
        revocation.connect()
