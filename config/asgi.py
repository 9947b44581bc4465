"""What an ASGI server runs: `daphne config.asgi:application`."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from realtime.asgi import outlive_request

from .checks import refuse_demo_accounts
from .requests_at_once import limited

application = outlive_request(
    limited(
        get_asgi_application(),
        requests=settings.REQUESTS_AT_ONCE,
        sign_ins=settings.SIGN_INS_AT_ONCE,
    )
)
refuse_demo_accounts()
