from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from . import installation

# Before any other module of this package is imported.
installation.refuse_unsupported()


class RealtimeConfig(AppConfig):
    name = "realtime"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the project's is
    verbose_name = _("Realtime streams")

    def ready(self) -> None:
        from . import checks, deployment_checks
        from .access import revocation
        from .postgres import sessions

        register(checks.check_settings, "realtime")
        register(checks.check_server, "realtime")
        register(deployment_checks.check_deployment, "realtime", deploy=True)
        register(installation.check_distributions, "realtime")
        revocation.connect()
        sessions.connect_signals()
