"""The site's addresses. Each app owns the rest of its own."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("orders.api.urls")),
    path("", include("orders.urls")),
]
