"""placeholder"""

from django.views import View


class EventStreamView(View):
    stream = None
    view_all_permission = None
