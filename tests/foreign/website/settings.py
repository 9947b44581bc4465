"""Settings as another team has them."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "only for tests" * 5
DEBUG = True
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = [
    "people",
    "workspace",
    "realtime",
    "realtime.bell",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "website.urls"
WSGI_APPLICATION = "website.wsgi.application"
ASGI_APPLICATION = "website.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "realtime.postgres.embedded",
        "FOLDER": Path(os.environ.get("POSTGRES_FOLDER", BASE_DIR / ".local" / "postgres")),
        "NAME": os.environ.get("DATABASE_NAME", "postgres"),
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"pool": True},
    }
}
# DEFAULT_AUTO_FIELD is left to each app.

AUTH_USER_MODEL = "people.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "desk"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Europe/Vienna"

STATIC_URL = "static/"
# The libraries of the browser: as npm brings them, and the one that has to be bundled first.
NODE_MODULES = Path(os.environ.get("NODE_MODULES", BASE_DIR / "node_modules"))
LIBRARIES = {
    "htmx2": NODE_MODULES / "htmx2/dist",
    "htmx-ext-sse": NODE_MODULES / "htmx-ext-sse/dist",
    "htmx4": NODE_MODULES / "htmx4/dist",
    "turbo": NODE_MODULES / "@hotwired/turbo/dist",
    "datastar": BASE_DIR / "bundles",
}
LIBRARIES["datastar"].mkdir(exist_ok=True)
STATICFILES_DIRS = [(name, folder) for name, folder in LIBRARIES.items() if folder.is_dir()]

REALTIME = {
    # Quick enough for tests that wait for what happens without a hint.
    "POLL_SECONDS": float(os.environ.get("POLL_SECONDS", "5")),
    "ACCESS_CHECK_SECONDS": float(os.environ.get("ACCESS_CHECK_SECONDS", "10")),
}
