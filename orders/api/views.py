"""The REST API: customers place orders and see their own; the staff moves them on."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, permissions, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from orders.models import Order

from .serializers import OrderSerializer, OrderStatusSerializer


class MayMoveOrders(permissions.BasePermission):
    message = _("Only the shop's staff (orders.change_order) moves the status of an order.")

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method != "PATCH" or request.user.has_perm("orders.change_order")


@extend_schema_view(
    list=extend_schema(
        summary="List orders",
        description="Your own, newest first; everybody's if you hold `orders.view_order`.",
    ),
    retrieve=extend_schema(summary="Look at an order"),
    create=extend_schema(summary="Place an order for yourself"),
)
class OrderViewSet(
    mixins.CreateModelMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Order],
):
    queryset = Order.objects.all()
    serializer_class = OrderSerializer
    permission_classes = [permissions.IsAuthenticated, MayMoveOrders]

    @method_decorator(never_cache)  # neither a proxy nor the browser's next user may see them
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Order]:
        return Order.objects.select_related("customer").visible_to(self.request.user)

    def perform_create(self, serializer: BaseSerializer[Order]) -> None:
        serializer.save(customer=self.request.user)

    @extend_schema(
        summary="Move an order to its next status",
        description=(
            "For staff who hold `orders.change_order`: placed → paid → shipped → delivered, or "
            "cancelled while it isn't shipped. The customer's streams get an event."
        ),
        request=OrderStatusSerializer,
        responses=OrderSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        order = self.get_object()
        change = OrderStatusSerializer(order, data=request.data)
        change.is_valid(raise_exception=True)
        change.save()
        return Response(self.get_serializer(order).data)
