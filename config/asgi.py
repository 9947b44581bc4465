"""What an ASGI server runs: `daphne config.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from realtime.asgi import outlive_request

from .checks import refuse_demo_accounts

application = outlive_request(get_asgi_application())
refuse_demo_accounts()
