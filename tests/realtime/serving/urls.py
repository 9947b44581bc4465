"""Streams as projects have them: below prefixes, decorated, in subclasses, with arguments."""

from functools import wraps

from asgiref.sync import sync_to_async
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator

from realtime import EventStreamView, TokenCookieView

only_shop = permission_required("orders.view_order", raise_exception=True)


def only_shop_too(view):
    """As a project writes it for asynchronous views."""

    @wraps(view)
    async def guarded(request, *args, **kwargs):
        user = await request.auser()
        if not await sync_to_async(user.has_perm)("orders.view_order"):
            raise PermissionDenied
        assert await get_user_model().objects.filter(pk=user.pk).aexists()
        return await view(request, *args, **kwargs)

    return guarded


@method_decorator(only_shop, name="dispatch")
class GuardedView(EventStreamView):
    pass


class OverridesDispatch(EventStreamView):
    def dispatch(self, request, *args, **kwargs):
        self.seen = True
        return super().dispatch(request, *args, **kwargs)


class OverridesGet(EventStreamView):
    async def get(self, request, *args, **kwargs):
        response = await super().get(request, *args, **kwargs)
        response["X-Seen"] = "yes"
        return response


plain = EventStreamView.as_view(stream="orders")

urlpatterns = [
    path("", include("config.urls")),  # what the pages of refusals link to
    path("plain", plain),
    path("decorated", only_shop(plain)),
    path("decorated-too", only_shop_too(plain)),
    path("guarded", GuardedView.as_view(stream="orders")),
    path("dispatch", OverridesDispatch.as_view(stream="orders")),
    path("get", OverridesGet.as_view(stream="orders")),
    path("documents/<int:pk>/live", plain),
    path("cookie", TokenCookieView.as_view(path="/plain")),
    *i18n_patterns(path("live", plain)),
]


def handler403(request, exception):
    # Django renders its page in a thread that keeps what the page's template asks the database by.
    return HttpResponse("Forbidden", status=403)
