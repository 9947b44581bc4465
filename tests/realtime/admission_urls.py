"""Streams that a project has put something in front of."""

from django.contrib.auth.decorators import permission_required
from django.urls import include, path
from django.utils.decorators import method_decorator

from realtime import EventStreamView

only_shop = permission_required("orders.view_order", raise_exception=True)


@method_decorator(only_shop, name="dispatch")
class GuardedView(EventStreamView):
    pass


urlpatterns = [
    path("", include("config.urls")),  # what the pages of refusals link to
    path("plain", EventStreamView.as_view(stream="orders")),
    path("decorated", only_shop(EventStreamView.as_view(stream="orders"))),
    path("guarded", GuardedView.as_view(stream="orders")),
]
