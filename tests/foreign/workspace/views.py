from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST

import realtime

from .comments import LIBRARIES, publish_comment
from .models import Document, Job, News
from .sharing import share


@login_required
def desk(request):
    return render(
        request,
        "workspace/desk.html",
        {
            "documents": Document.objects.visible_to(request.user),
            "jobs": Job.objects.filter(owner=request.user),
        },
    )


@login_required
def document(request, pk):
    cursor = realtime.current_cursor()  # first, then what it is the cursor of
    document = get_object_or_404(Document.objects.visible_to(request.user), pk=pk)
    if request.method == "POST":
        write(document, request.POST["body"])
        return redirect("document", pk)
    return render(request, "workspace/document.html", {"document": document, "cursor": cursor})


def write(document, body):
    """Change a document, and tell its team: both, or neither."""
    with transaction.atomic():
        document.body = body
        document.save()
        realtime.publish(
            to=document,
            type="body",
            html=render_to_string("workspace/body.html", {"document": document}),
        )


@login_required
@require_POST
def share_document(request, pk):
    document = get_object_or_404(Document.objects.visible_to(request.user), pk=pk)
    reader = get_object_or_404(get_user_model(), email=request.POST["email"])
    share(document, [reader], by=request.user)
    return redirect(document)


@login_required
def comments(request, pk, library):
    if library not in LIBRARIES:
        raise Http404
    cursor = realtime.current_cursor()
    document = get_object_or_404(Document.objects.visible_to(request.user), pk=pk)
    if request.method == "POST":
        publish_comment(document.comments.create(text=request.POST["text"]))
        return redirect("comments", pk, library)
    return render(
        request,
        f"workspace/comments.{library}.html",
        {"document": document, "comments": document.comments.order_by("pk"), "cursor": cursor},
    )


@login_required
def job(request, pk):
    cursor = realtime.current_cursor()
    job = get_object_or_404(Job, pk=pk, owner=request.user)
    return render(request, "workspace/job.html", {"job": job, "cursor": cursor})


def news(request):
    cursor = realtime.current_cursor()
    return render(
        request, "workspace/news.html", {"news": News.objects.order_by("-pk"), "cursor": cursor}
    )
