from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TransfersConfig(AppConfig):
    name = "orders.transfers"
    label = "transfers"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Imports and exports")
