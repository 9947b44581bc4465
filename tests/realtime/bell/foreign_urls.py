"""The addresses of a site that has the bell, and nothing of the shop."""

from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import include, path


def page(request: HttpRequest) -> HttpResponse:
    template = Template("{% load bell %}<header>{% bell %}</header><main>Hello</main>")
    return HttpResponse(template.render(Context({"request": request})))


urlpatterns = [
    path("", page),
    path("news/", include("realtime.bell.urls")),
]
