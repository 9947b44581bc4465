"""Throttles the guessing of passwords: after some wrong ones an account is locked for a while.

django-axes counts them, on the sign-in page, in the admin and for the API's tokens alike.
"""

from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

# The length of django-axes's columns: a longer name would cause a 500.
LONGEST_NAME = 255


def name(request: Any, credentials: dict[str, Any] | None) -> str | None:
    """The name of a sign-in attempt, cut to LONGEST_NAME."""
    given = credentials or getattr(request, "data", request.POST)
    found = given.get("username")
    return None if found is None else str(found)[:LONGEST_NAME]


def address(request: HttpRequest) -> str | None:
    """The client's address; None: unknown, or a proxy has passed on something else.

    An IPv6 address stands for its /64 network, because a provider gives one to each customer.
    """
    try:
        ip = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return None
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((int(ip), 64), strict=False).network_address)


def locked_out(request: HttpRequest, *about: Any) -> HttpResponse:
    """The response to a locked-out client: 429 (RFC 6585), as a page or, in the API, as JSON."""
    cool_off = settings.AXES_COOLOFF_TIME
    headers = {"Retry-After": str(int(cool_off.total_seconds())), "Cache-Control": "no-store"}
    # Told by the URL, because under ASGI django-axes doesn't pass on the response that it replaces.
    if request.resolver_match.view_name == "token_obtain_pair":
        detail = _("Too many wrong passwords for this account. Try again later.")
        return JsonResponse({"detail": detail}, status=429, headers=headers)
    minutes = int(cool_off.total_seconds() // 60)
    page = render(request, "registration/locked_out.html", {"minutes": minutes}, status=429)
    for name, value in headers.items():
        page[name] = value
    return page


def tell_django(request: Any, **kwargs: Any) -> None:
    """Copy django-axes's mark of a lock-out to the request that its middleware sees.

    The REST framework signs in with a request object of its own, which wraps that request.
    """
    if (inner := getattr(request, "_request", None)) is not None:
        inner.axes_locked_out = True
