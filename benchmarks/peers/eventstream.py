"""django-eventstream, as its README shows it: https://github.com/fanout/django_eventstream."""

import json
import os

import django
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.eventstream_settings"
django.setup()

import django_eventstream  # noqa: E402 (it reads the settings)
from django_eventstream import send_event  # noqa: E402

call_command("migrate", verbosity=0)
application = get_asgi_application()


def publish(request: HttpRequest) -> HttpResponse:
    send_event("orders", "orders", json.loads(request.body))
    return HttpResponse(status=204)


urlpatterns = [
    path("events/", include(django_eventstream.urls), {"channels": ["orders"]}),
    path("publish", publish),
]
