from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    *i18n_patterns(
        path("admin/", admin.site.urls),
        path("login/", LoginView.as_view(), name="login"),
        path("notifications/", include("realtime.bell.urls")),
        path("", include("workspace.urls")),
    ),
    *staticfiles_urlpatterns(),
]
