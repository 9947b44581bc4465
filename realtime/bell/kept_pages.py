"""Pages that browsers may keep, so that “Back” shows them at once, as they were left.

Browsers don't put a page that was sent with `no-store` into their back/forward cache. A private
page can be cached safely if its script goes on from its cursor when it is shown again, and if
nobody else
can see it: kept_page.js hides it until the server has confirmed that its reader is still signed in.
So only browsers that have run that script may keep pages.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers, patch_cache_control, patch_vary_headers

# Set by kept_page.js.
COOKIE = "realtime_kept_pages"

View = Callable[..., HttpResponse]


def keep_for_back(view: View) -> View:
    """A decorator for views whose pages have the bell and are updated by streams. Use `never_cache`
    for other private pages.

    view: the view. The site's logout view has to answer with `Clear-Site-Data: "cache"`.
    """

    @wraps(view)
    def keeping(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if request.user.is_authenticated and COOKIE in request.COOKIES:
            patch_cache_control(response, private=True, no_cache=True)
            patch_vary_headers(response, ["Cookie"])
        else:
            add_never_cache_headers(response)
        return response

    return keeping
