"""Orders and tokens as JSON."""

from django.contrib.auth import get_user_model
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.serializers import TokenRefreshSerializer

from orders.exceptions import InvalidTransition
from orders.models import Order

from .authentication import MALFORMED


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order. The customer chooses product, quantity and price; other fields are read-only."""

    customer = serializers.CharField(source="customer.get_username", read_only=True)
    total = serializers.DecimalField(max_digits=15, decimal_places=2, read_only=True)

    class Meta:
        model = Order
        fields = [
            "id",
            "customer",
            "product",
            "quantity",
            "unit_price",
            "total",
            "status",
            "placed_at",
        ]
        read_only_fields = ["status", "placed_at"]


class OrderStatusSerializer(serializers.ModelSerializer[Order]):
    """The status that an order is to get next."""

    # Declared, because the model's default would make it optional, and it is the only field.
    status = serializers.ChoiceField(choices=Order.Status.choices)

    class Meta:
        model = Order
        fields = ["status"]

    def update(self, order: Order, validated_data: dict[str, str]) -> Order:
        order.status = validated_data["status"]
        try:
            order.save(update_fields=["status"])
        except InvalidTransition as error:
            raise serializers.ValidationError({"status": [str(error)]}) from error
        return order


@extend_schema_serializer(component_name="TokenRefresh")
class ActiveUserTokenRefreshSerializer(TokenRefreshSerializer):
    """A new access token for a refresh token."""

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        try:
            return super().validate(attrs)
        except get_user_model().DoesNotExist as error:
            # The user was deleted: without this, simplejwt would cause a 500.
            raise AuthenticationFailed(
                self.error_messages["no_active_account"], "no_active_account"
            ) from error
        except MALFORMED as error:
            raise InvalidToken(gettext("The token's claims make no sense.")) from error
