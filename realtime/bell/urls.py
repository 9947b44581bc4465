"""The bell's addresses: `path("notifications/", include("realtime.bell.urls"))`."""

from django.urls import path

from . import api, views

app_name = "bell"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("bell/", views.state, name="state"),
    path("change/", views.change, name="change"),
    path("choices/", views.choices, name="choices"),
    path("live", views.BellStream.as_view(), name="live"),
    path("api/", api.threads, name="api"),
]
