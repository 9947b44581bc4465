from django.apps import AppConfig
from django.db.models.signals import post_save


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from .signals import publish_order

        post_save.connect(
            publish_order, sender=self.get_model("Order"), dispatch_uid="orders.publish_order"
        )
