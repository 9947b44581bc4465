from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from .signals import publish_deletion, publish_order

        order = self.get_model("Order")
        post_save.connect(publish_order, sender=order, dispatch_uid="orders.publish_order")
        post_delete.connect(publish_deletion, sender=order, dispatch_uid="orders.publish_deletion")
