"""Streams as projects have them: below prefixes, decorated, in subclasses, with arguments."""

from contextvars import ContextVar
from functools import partial, wraps

from asgiref.sync import sync_to_async
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import include, path, re_path, register_converter
from django.urls.converters import IntConverter
from django.utils.decorators import method_decorator
from django.utils.translation import get_language, override
from django.views import View
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.csrf import csrf_exempt

import realtime
from orders.models import Order
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


class PermissionView(PermissionRequiredMixin, EventStreamView):
    permission_required = "orders.view_order"
    raise_exception = True


class ShopsOwn(PermissionRequiredMixin, View):
    permission_required = "orders.view_order"
    raise_exception = True


class MixedInLast(EventStreamView, ShopsOwn):
    pass


def only_verified(view):
    """Goes by what some middleware has added to the request."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.resolver_match.route:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def counting(view):
    """Whether each request was the one that opens a stream, or asks again."""

    @wraps(view)
    def counted(request, *args, **kwargs):
        counted.asked.append(realtime.is_asked_again(request))
        return view(request, *args, **kwargs)

    counted.asked = []
    return counted


class OverridesDispatch(EventStreamView):
    def dispatch(self, request, *args, **kwargs):
        self.seen = True
        return super().dispatch(request, *args, **kwargs)


class OverridesGet(EventStreamView):
    async def get(self, request, *args, **kwargs):
        response = await super().get(request, *args, **kwargs)
        response["X-Seen"] = "yes"
        return response


class PlainGet(EventStreamView):
    def get(self, request, *args, **kwargs):
        return super().get(request, *args, **kwargs)


class QueryingSetup(EventStreamView):
    def setup(self, request, *args, **kwargs):
        super().setup(request, *args, **kwargs)
        self.is_open = get_user_model().objects.exists()


@method_decorator(never_cache, name="dispatch")
class NeverCached(EventStreamView):
    pass


class WithForm(EventStreamView):
    """Its page's form is sent to the same address."""

    http_method_names = ["get", "head", "post", "options"]

    def post(self, request):
        return JsonResponse({"users": get_user_model().objects.count()})

    def options(self, request):
        return JsonResponse({"users": get_user_model().objects.count()})

    def http_method_not_allowed(self, request):
        return HttpResponse("Not so.", status=405)


class ByPost(EventStreamView):
    """For a client that says what it wants in a body."""

    http_method_names = ["post"]
    post = EventStreamView.get


class Failing:
    """What `topics()` of the view below raises, or what some middleware does."""

    error = None

    @classmethod
    def check(cls):
        if cls.error is not None:
            raise cls.error


def topics_that_fail(request):
    Failing.check()
    return request.user


# What a project has set for the request of now, and what topics() has found there.
OF_REQUEST = ContextVar("OF_REQUEST", default=None)
FOUND = []


class InContext(EventStreamView):
    def topics(self, request):
        FOUND.append((OF_REQUEST.get(), get_language(), request.user.username))
        return request.user


def in_german(view):
    @wraps(view)
    async def german(request, *args, **kwargs):
        OF_REQUEST.set("the view's")
        with override("de"):
            return await view(request, *args, **kwargs)

    return german


def of_alice(view):
    @wraps(view)
    def hers(request, *args, **kwargs):
        if request.user.username == "alice":
            OF_REQUEST.set("alice's")
        return view(request, *args, **kwargs)

    return hers


class GroupsStream(EventStreamView):
    def topics(self, request):
        return request.user.groups.all()


class Allowing:
    """Whether those views below that decide in other ways than by `topics()` let anybody in."""

    now = True

    @classmethod
    def check(cls):
        if not cls.now:
            raise PermissionDenied


class DecidingGet(EventStreamView):
    async def get(self, request, *args, **kwargs):
        Allowing.check()
        response = await super().get(request, *args, **kwargs)
        response.streaming_content = response.streaming_content
        return response


class DecidingSetup(EventStreamView):
    def setup(self, request, *args, **kwargs):
        super().setup(request, *args, **kwargs)
        Allowing.check()


class ByPosition(EventStreamView):
    def topics(self, request):
        Allowing.check()
        return [realtime.Topic("test", self.args[0]), request.user]


class ByKey(EventStreamView):
    def topics(self, request, pk):
        return [realtime.Topic("test", pk), request.user]


async def by_name(request, name):
    Allowing.check()
    return await ByKey.as_view()(request, pk=len(name))


def topics_given(request):
    Allowing.check()
    return [realtime.Topic("test", "7"), request.user]


class FailingConverter(IntConverter):
    def to_python(self, value):
        raise RuntimeError("It may not query here.")


register_converter(FailingConverter, "failing")


class OrderStream(EventStreamView):
    """An order's page for its customer, decided in plain Python."""

    def topics(self, request, pk):
        order = get_object_or_404(Order, pk=pk)
        if order.customer != request.user:
            raise PermissionDenied
        return [order, request.user]


class PublicStream(EventStreamView):
    def topics(self, request):
        return realtime.PUBLIC


plain = EventStreamView.as_view(stream="default")

urlpatterns = [
    path("", include("config.urls")),  # what the pages of refusals link to
    path("plain", plain),
    path("decorated", only_shop(plain)),
    path("decorated-too", only_shop_too(plain)),
    path("guarded", GuardedView.as_view(stream="default")),
    path("permission", PermissionView.as_view(stream="default")),
    path("mixed-in-last", MixedInLast.as_view()),
    path("verified", only_verified(plain)),
    path("counted", counted := counting(plain)),
    path("all", only_shop(EventStreamView.as_view(view_all_permission="auth.view_user"))),
    path("dispatch", OverridesDispatch.as_view(stream="default")),
    path("get", OverridesGet.as_view(stream="default")),
    path("plain-get", PlainGet.as_view(stream="default")),
    path("deciding/get", DecidingGet.as_view()),
    path("deciding/setup", DecidingSetup.as_view()),
    re_path(r"^deciding/by-position/(\d+)$", ByPosition.as_view()),
    path("deciding/by-name/<slug:name>", by_name),
    path("deciding/given", EventStreamView.as_view(topics=topics_given)),
    path("querying-setup", QueryingSetup.as_view()),
    path("never-cached", NeverCached.as_view()),
    path("cached", cache_page(60)(plain)),
    path("partial", partial(plain)),
    path("with-form", WithForm.as_view()),
    path("by-post", csrf_exempt(ByPost.as_view())),
    path("failing", EventStreamView.as_view(topics=topics_that_fail)),
    path("in-context", InContext.as_view()),
    path("of-alice", of_alice(InContext.as_view())),
    path("in-german", in_german(InContext.as_view())),
    path("groups", GroupsStream.as_view(stream="default")),
    path("converted/<failing:pk>", plain),
    path("misspelt", EventStreamView.as_view(stream="defualt")),
    path("documents/<int:pk>/live", plain),
    path("orders/<int:pk>/live", OrderStream.as_view(stream="default"), name="order_live"),
    path("public", PublicStream.as_view(stream="default"), name="public_live"),
    path("other", type("Other", (PublicStream,), {}).as_view(stream="default")),
    path("cookie", TokenCookieView.as_view(path="/plain")),
    *i18n_patterns(path("live", plain)),
]


def handler403(request, exception):
    # Django renders its page in a thread that keeps what the page's template asks the database by.
    return HttpResponse("Forbidden", status=403)
