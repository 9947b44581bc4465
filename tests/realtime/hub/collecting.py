"""The project's application, and an address that says what is left of the visits of its process.

How many objects there are, without garbage, of classes of which each visit makes some.
"""

import gc

from config.asgi import application as project

ADDRESS = "/left"
OF_A_VISIT = ("realtime.", "daphne.", "django.http.", "django.core.handlers.")


async def application(scope, receive, send):
    if scope["type"] != "http" or scope["path"] != ADDRESS:
        await project(scope, receive, send)
        return
    gc.unfreeze()
    gc.collect()
    left = sum(str(type(one).__module__).startswith(OF_A_VISIT) for one in gc.get_objects())
    gc.freeze()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(left).encode()})
