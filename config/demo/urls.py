"""The demo's addresses, below /demo/. They refuse to exist in production."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import path

from . import views

if settings.PRODUCTION:
    raise ImproperlyConfigured(
        "config.demo.urls is for development: its buttons end database sessions and restart the "
        "server, and it signs anybody in as Alice. Leave it out of urls.py in production."
    )

urlpatterns = [
    path("", views.demo, name="demo"),
    path("alice/", views.go_on_as_alice, name="demo_alice"),
    path("order/", views.order, name="demo_order"),
    path("ship/", views.ship, name="demo_ship"),
    path("rush/", views.rush, name="demo_rush"),
    path("published/", views.published, name="demo_published"),
    path("break/sessions/", views.break_sessions, name="demo_break_sessions"),
    path("break/database/", views.break_database, name="demo_break_database"),
    path("break/server/", views.break_server, name="demo_break_server"),
]
