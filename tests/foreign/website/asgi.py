import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "website.settings")

from realtime.asgi import outlive_request

application = outlive_request(get_asgi_application())
