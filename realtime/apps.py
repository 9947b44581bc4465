from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Realtime streams"

    def ready(self) -> None:
        from . import revocation

        revocation.connect()
