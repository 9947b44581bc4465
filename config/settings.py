"""Settings of the example shop.

Without any environment the project is safe to try: DEBUG, local hosts, a key made on the first
run and kept out of git, an embedded PostgreSQL. `DJANGO_ENV=production` asks for the real thing.
"""

from datetime import timedelta
from pathlib import Path

import django
from csp.constants import NONE, SELF

from . import database, environment, production, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
# The files that running the project makes; git ignores them. Deleting them starts afresh.
LOCAL_DIR = BASE_DIR / ".local"

PRODUCTION = (
    environment.choice("DJANGO_ENV", ["development", "production"], default="development")
    == "production"
)
if PRODUCTION:
    production.require()

DEBUG = environment.flag("DJANGO_DEBUG", default=not PRODUCTION)
SECRET_KEY = environment.text("DJANGO_SECRET_KEY") or secret_key.kept_in(LOCAL_DIR / "secret-key")
ALLOWED_HOSTS = environment.words(
    "DJANGO_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]
)
CSRF_TRUSTED_ORIGINS = environment.words("DJANGO_CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "config",  # first, so that its runserver replaces daphne's, which replaces Django's
    "daphne",
    "orders",
    "orders.transfers",
    *(["django_tasks"] if django.VERSION < (6, 0) else []),  # django.tasks from 6.0 on
    "django_tasks_db",
    "realtime",
    "realtime.bell",
    "tools",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "axes",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

# The first backend rejects a client after too many wrong passwords, before it checks another one.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Counted by account and address: guessing from elsewhere must not lock out the account's owner.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "config.sign_in.name"
AXES_CLIENT_IP_CALLABLE = "config.sign_in.address"
AXES_FAILURE_LIMIT = environment.number("DJANGO_WRONG_PASSWORDS", default=10)
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "config.sign_in.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # for privacy, only failures are kept
AXES_VERBOSE = False

# How many requests a process works on at a time, each on a database connection; and how many more
# sign-ins, each of which uses a processor. See requests_at_once.py.
REQUESTS_AT_ONCE = environment.number("DJANGO_REQUESTS_AT_ONCE", default=20)
SIGN_INS_AT_ONCE = environment.number("DJANGO_SIGN_INS_AT_ONCE", default=2)

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

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

DATABASE_URL = environment.text("DATABASE_URL")
DATABASES = {
    "default": database.from_url(DATABASE_URL)
    if DATABASE_URL
    else database.embedded(LOCAL_DIR / "postgres")
}
# A standby, from which streams replay missed events.
if REPLAY_DATABASE_URL := environment.text("REPLAY_DATABASE_URL"):
    DATABASES["replay"] = {
        **database.from_url(REPLAY_DATABASE_URL),
        "TEST": {"MIRROR": "default"},
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

# The default. A visitor gets their browser's language, or the one chosen at the foot of a page.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German"), ("es", "Spanish")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
if PRODUCTION:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "config.storage.HashedStaticFiles"},
    }

# TLS: all of it in production, none in development.
SECURE_SSL_REDIRECT = environment.flag("DJANGO_SSL_REDIRECT", default=PRODUCTION)
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
# An hour to begin with: a browser that has seen the header keeps to it for that time.
SECURE_HSTS_SECONDS = environment.number("DJANGO_HSTS_SECONDS", default=3600 if PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
# Behind a proxy that terminates TLS: the header by which the proxy marks TLS requests. The proxy
# must set or remove it on every request, or any client could claim to use TLS.
if proxy_header := environment.text("DJANGO_PROXY_SSL_HEADER"):
    SECURE_PROXY_SSL_HEADER = (f"HTTP_{proxy_header.upper().replace('-', '_')}", "https")

X_FRAME_OPTIONS = "DENY" if PRODUCTION else "SAMEORIGIN"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        # The demo shows the page of a phone.
        "frame-ancestors": [NONE if PRODUCTION else SELF],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "orders.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    # JSON only, because the framework's own pages need inline scripts. /api/docs/ replaces them.
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 50,
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    # A change of password ends tokens, as it ends sessions.
    "CHECK_REVOKE_TOKEN": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Orders",
    "DESCRIPTION": "Place orders and follow them live.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "orders.api.schema.add_event_stream",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# If DATABASE_URL leads to PgBouncer in transaction mode, LISTEN needs a direct connection, and
# server-side cursors don't work.
REALTIME = {
    "RETENTION": {"default": "90d"},
    "METRICS_TOKEN": environment.text("REALTIME_METRICS_TOKEN") or None,
    "LISTEN_URL": environment.text("REALTIME_LISTEN_URL") or None,
    "REPLAY_DATABASE": "replay" if "replay" in DATABASES else None,
}
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = REALTIME["LISTEN_URL"] is not None

# Imports and exports of orders. `manage.py db_worker` works on them; runserver brings one along.
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "format": "{asctime} {levelname} {name}: {message}" if PRODUCTION else "{message}",
            "style": "{",
        }
    },
    "filters": {"database_away": {"()": "config.logs.DatabaseAway"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            # A traceback through Django would tell a developer nothing more.
            "filters": [] if PRODUCTION else ["database_away"],
        }
    },
    # Warnings of all packages, including `realtime`. No level here, because `daphne -v` sets its
    # own.
    "root": {"handlers": ["console"]},
    # Replaces Django's own handler, which is silent unless DEBUG is on.
    "loggers": {"django": {"level": "INFO"}, "axes": {"level": "WARNING"}},
}
