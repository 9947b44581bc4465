"""The staff's page of imports and exports."""

from typing import Any, cast

from django import forms
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

import realtime
from orders.events import STREAM
from orders.permissions import may_add_orders, may_view_orders

from .importing import UnreadableFile, count_rows, read_header
from .models import Transfer
from .tasks import run_transfer

MOST_BYTES = 5 * 1024 * 1024
SHOWN = 20


class ImportForm(forms.Form):
    file = forms.FileField(label=_("CSV file"))

    def clean_file(self) -> tuple[str, str, int]:
        """The file's name, its text, and its number of orders."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(gettext("The file is larger than 5 MB."))
        try:
            content = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise forms.ValidationError(gettext("The file is not text in UTF-8.")) from error
        if "\0" in content:  # PostgreSQL's text can't contain it
            raise forms.ValidationError(gettext("The file is not text in UTF-8."))
        try:
            read_header(content)
            rows = count_rows(content)
        except UnreadableFile as error:
            raise forms.ValidationError(str(error)) from error
        return file.name, content, rows


@require_safe
@never_cache
@login_required
@may_view_orders
def transfers(request: HttpRequest) -> HttpResponse:
    return _page(request, ImportForm())


@require_POST
@login_required
@may_view_orders
@may_add_orders
def start_import(request: HttpRequest) -> HttpResponse:
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, status=400)
    name, content, rows = form.cleaned_data["file"]
    return _start(request, kind=Transfer.Kind.IMPORT, name=name, content=content, total=rows)


@require_POST
@login_required
@may_view_orders
def start_export(request: HttpRequest) -> HttpResponse:
    name = f"orders-{timezone.now():%Y-%m-%d-%H%M}.csv"
    return _start(request, kind=Transfer.Kind.EXPORT, name=name)


@require_POST
@login_required
@may_view_orders
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a transfer to stop. Orders that an import has placed by then stay."""
    with transaction.atomic():
        transfer = get_object_or_404(Transfer.objects.select_for_update(), pk=pk)
        if transfer.state == Transfer.State.WAITING:
            transfer.state, transfer.finished_at = Transfer.State.CANCELLED, timezone.now()
            transfer.save_and_publish("state", "finished_at")
        elif not transfer.is_over:
            transfer.is_cancel_wanted = True
            transfer.save(update_fields=["is_cancel_wanted"])
    return redirect("transfers")


@require_safe
@never_cache
@login_required
@may_view_orders
def download(request: HttpRequest, pk: int) -> HttpResponse:
    transfer = get_object_or_404(Transfer, pk=pk, kind=Transfer.Kind.EXPORT, state="done")
    headers = {"Content-Disposition": f'attachment; filename="{transfer.name}"'}
    return HttpResponse(transfer.content, content_type="text/csv; charset=utf-8", headers=headers)


def _start(request: HttpRequest, **values: Any) -> HttpResponse:
    with transaction.atomic():
        user = cast(Any, request.user)
        transfer = Transfer(started_by=user, **values)
        transfer.save()
        transfer.refresh_from_db(fields=["created_at"])
        transfer.publish()
        # In the same transaction, so that no worker sees the task without the transfer.
        run_transfer.enqueue(transfer.pk)
    return redirect("transfers")


def _page(request: HttpRequest, form: ImportForm, status: int = 200) -> HttpResponse:
    # The cursor comes first: a change after it may be shown twice, but is never missing.
    cursor = realtime.current_cursor(STREAM)
    context = {
        "form": form,
        "cursor": cursor,
        "transfers": Transfer.objects.defer("content")[:SHOWN],
        "blank": Transfer(),
    }
    return render(request, "orders/transfers/transfers.html", context, status=status)
