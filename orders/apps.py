from django.apps import AppConfig
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from .signals import publish_order

        post_save.connect(
            publish_order, sender=self.get_model("Order"), dispatch_uid="orders.publish_order"
        )
