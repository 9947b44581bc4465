"""The shop's addresses, and a stream that lives in another database."""

from django.urls import path

from config.urls import urlpatterns as of_the_shop
from realtime import EventStreamView

urlpatterns = [
    path("west/", EventStreamView.as_view(stream="west-orders"), name="west"),
    *of_the_shop,
]
