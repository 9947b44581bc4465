from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class BellConfig(AppConfig):
    name = "realtime.bell"
    label = "bell"
    verbose_name = _("Notifications")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Each app's kinds are in its notifications.py.
        autodiscover_modules("notifications")
