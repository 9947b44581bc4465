"""What some middleware chooses by `request.urlconf`."""

from django.urls import include, path

from .urls import plain

urlpatterns = [path("tenant", plain), path("", include("config.urls"))]
