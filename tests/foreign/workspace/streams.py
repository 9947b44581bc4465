"""Who may follow what, in plain Python."""

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404

import realtime

from .comments import LIBRARIES, topic
from .models import Document, Job


class MemberStream(realtime.EventStreamView):
    """For those who have signed in."""

    def topics(self, request, **kwargs):
        if not request.user.is_authenticated:
            raise PermissionDenied
        return self.topics_for(request.user, **kwargs)


class DocumentStream(MemberStream):
    """One document, for the members of its team."""

    def topics_for(self, user, pk):
        return [get_object_or_404(Document.objects.visible_to(user), pk=pk)]


class CommentStream(MemberStream):
    """The comments of a document, as one of the libraries wants to be told of them."""

    def topics_for(self, user, pk, library):
        if library not in LIBRARIES:
            raise Http404
        return [topic(get_object_or_404(Document.objects.visible_to(user), pk=pk), library)]


class JobStream(MemberStream):
    """How far one's own job is."""

    def topics_for(self, user, pk):
        return [get_object_or_404(Job, pk=pk, owner=user)]


class DeskStream(MemberStream):
    """All that concerns somebody, over one connection."""

    def topics_for(self, user):
        return [user, *Document.objects.visible_to(user), *Job.objects.filter(owner=user)]


class NewsStream(realtime.EventStreamView):
    """What is public: for everybody, signed in or not."""

    def topics(self, request):
        return [realtime.PUBLIC]
