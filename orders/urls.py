"""The pages of the shop, its bell and its stream."""

from django.urls import include, path, reverse_lazy

from realtime import EventStreamView, TokenCookieView

from . import board_views, shopfront, views
from .events import SHOP_TYPES, STREAM

urlpatterns = [
    path("", shopfront.home, name="home"),
    path("notifications/", include("realtime.bell.urls")),
    path("orders/", board_views.orders_board, name="orders_board"),
    path("orders/summary/", board_views.orders_board_summary, name="orders_board_summary"),
    path("orders/transfers/", include("orders.transfers.urls")),
    path("orders/place/", shopfront.place, name="order_place"),
    path("orders/<int:pk>/", views.order, name="order"),
    path("orders/<int:pk>/move/", board_views.order_move, name="order_move"),
    path(
        "orders/realtime",
        EventStreamView.as_view(
            stream=STREAM, view_all_permission="orders.view_order", view_all_types=SHOP_TYPES
        ),
        name="orders_realtime",
    ),
    path(
        "orders/realtime/cookie",
        TokenCookieView.as_view(path=reverse_lazy("orders_realtime")),
        name="orders_realtime_cookie",
    ),
]
