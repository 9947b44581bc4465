"""Guessing passwords takes for ever: after some wrong ones the door stays shut for a while.

django-axes counts them, for the sign-in page, the admin's and the API's tokens alike.
"""

from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

# The columns that django-axes has for what it counts by; what is longer would be a 500.
LONGEST_NAME = 255


def name(request: Any, credentials: dict[str, Any] | None) -> str | None:
    """By which name somebody tries to sign in, as far as it may be an account's."""
    given = credentials or getattr(request, "data", request.POST)
    found = given.get("username")
    return None if found is None else str(found)[:LONGEST_NAME]


def address(request: HttpRequest) -> str | None:
    """From where; None: nobody knows, or a proxy has passed on something else.

    An IPv6 address stands for its network of 64 bits, which one customer of a provider has.
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
    """What is answered instead: 429 (RFC 6585), as a page or as JSON like the rest of the API."""
    cool_off = settings.AXES_COOLOFF_TIME
    headers = {"Retry-After": str(int(cool_off.total_seconds())), "Cache-Control": "no-store"}
    # By the address, for under ASGI django-axes doesn't give the response that it replaces.
    if request.resolver_match.view_name == "token_obtain_pair":
        detail = _("Too many wrong passwords for this account. Try again later.")
        return JsonResponse({"detail": detail}, status=429, headers=headers)
    minutes = int(cool_off.total_seconds() // 60)
    page = render(request, "registration/locked_out.html", {"minutes": minutes}, status=429)
    for name, value in headers.items():
        page[name] = value
    return page


def tell_django(request: Any, **kwargs: Any) -> None:
    """django-axes notes on the request that it is locked out, and its middleware looks there.

    The REST framework signs in with a request of its own, around the one that middleware sees.
    """
    if (inner := getattr(request, "_request", None)) is not None:
        inner.axes_locked_out = True
