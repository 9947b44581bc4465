"""What a worker does: `manage.py db_worker`, or the one that runserver brings along."""

import logging
import time

from django.utils import timezone

from .exporting import export_rows
from .importing import import_rows
from .models import Transfer

try:
    from django.tasks import task
except ImportError:  # before Django 6.0
    from django_tasks import task  # type: ignore[no-redef]  # the same, under its older name

logger = logging.getLogger("orders")

# How often it is told how far it has come; and at the end.
TELL_EVERY_SECONDS = 0.1
WORK = {Transfer.Kind.IMPORT: import_rows, Transfer.Kind.EXPORT: export_rows}


@task()
def run_transfer(pk: int) -> None:
    """Work on a transfer that waits, batch by batch, until it is through or is to be cancelled."""
    transfer = Transfer.objects.select_related("started_by").get(pk=pk)
    if transfer.state != Transfer.State.WAITING:
        return
    transfer.state, transfer.started_at = Transfer.State.RUNNING, timezone.now()
    transfer.save_and_publish("state", "started_at")
    told = time.monotonic()
    try:
        for _ in WORK[Transfer.Kind(transfer.kind)](transfer):
            if time.monotonic() - told < TELL_EVERY_SECONDS:
                continue
            told = time.monotonic()
            transfer.save_and_publish("done", "total", "error_count", "errors")
            transfer.refresh_from_db(fields=["is_cancel_wanted"])
            if transfer.is_cancel_wanted:
                transfer.state = Transfer.State.CANCELLED
                break
        else:
            transfer.state = Transfer.State.DONE
    except Exception:
        # Whoever started it is told; whoever runs the shop finds the reason in its log.
        logger.exception("The transfer %s has failed.", transfer.pk)
        transfer.state = Transfer.State.FAILED
    transfer.finish("done", "total", "error_count", "errors", "content")
