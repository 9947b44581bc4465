"""A stream of topics that anybody may follow: `follow/20/3/` has those from 20 to 22."""

from django.urls import path

from realtime import EventStreamView, Topic


class ManyTopics(EventStreamView):
    def topics(self, request, first, count):
        return [Topic("test", str(number)) for number in range(first, first + count)]


urlpatterns = [path("follow/<int:first>/<int:count>/", ManyTopics.as_view())]
