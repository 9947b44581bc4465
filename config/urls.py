"""The site's addresses. Each app owns the rest of its own."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from realtime import health, metrics

from .views import SignInView, SignOutView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("orders.api.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", health.live, name="health_live"),
    path("readyz", health.ready, name="health_ready"),
    path("metrics", metrics.show, name="metrics"),
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", SignOutView.as_view(), name="logout"),
    path("", include("orders.urls")),
]
if not settings.PRODUCTION:
    urlpatterns.insert(0, path("demo/", include("config.demo.urls")))
