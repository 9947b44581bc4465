"""The tasks of a worker: `manage.py db_worker`, or the one that runserver starts."""

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from .exporting import export_rows
from .importing import import_rows
from .models import NoLongerRunning, Transfer

try:
    from django.tasks import task
except ImportError:  # before Django 6.0
    from django_tasks import task  # type: ignore[no-redef]  # the same, under its older name

logger = logging.getLogger("orders")

# How often a transfer publishes its progress; it also does at the end.
TELL_EVERY_SECONDS = 0.1
# A worker counts as dead after so long without a sign of life; each batch is one.
SILENT = timedelta(minutes=1)
WORK = {Transfer.Kind.IMPORT: import_rows, Transfer.Kind.EXPORT: export_rows}


@task()
def run_transfer(pk: int) -> None:
    """Work on a waiting transfer, batch by batch, until it is finished or cancelled."""
    transfer = _begin(pk)
    if transfer is None:
        return
    try:
        _work(transfer)
    except NoLongerRunning:
        logger.warning("The transfer %s was ended while its worker was away.", pk)


def _begin(pk: int) -> Transfer | None:
    """Start a transfer and return it; None if it no longer waits."""
    with transaction.atomic():
        transfer = _locked(pk)
        if transfer.state != Transfer.State.WAITING:
            return None
        transfer.state = Transfer.State.RUNNING
        transfer.started_at = transfer.heard_at = timezone.now()
        transfer.save_and_publish("state", "started_at", "heard_at")
        _look_later(pk)
    return transfer


def _work(transfer: Transfer) -> None:
    """Raises NoLongerRunning."""
    told = time.monotonic()
    try:
        for _ in WORK[Transfer.Kind(transfer.kind)](transfer):
            if time.monotonic() - told < TELL_EVERY_SECONDS:
                continue
            told = time.monotonic()
            with transaction.atomic():
                transfer.hold()
                transfer.save_and_publish("done", "total", "error_count", "errors")
            transfer.refresh_from_db(fields=["is_cancel_wanted"])
            if transfer.is_cancel_wanted:
                transfer.state = Transfer.State.CANCELLED
                break
        else:
            transfer.state = Transfer.State.DONE
    except NoLongerRunning:
        raise
    except Exception:
        # The user who started it is notified; the shop's operator finds the reason in the log.
        logger.exception("The transfer %s has failed.", transfer.pk)
        transfer.state = Transfer.State.FAILED
    with transaction.atomic():
        transfer.hold()
        transfer.finish("done", "total", "error_count", "errors", "content")


@task()
def end_if_silent(pk: int) -> None:
    """End a transfer whose worker has been silent for too long, or look again later.

    This is a task of its own, because another worker has to run it.
    """
    with transaction.atomic():
        transfer = _locked(pk)
        if transfer.is_over:
            return
        if transfer.heard_at is not None and timezone.now() - transfer.heard_at < SILENT:
            _look_later(pk)
            return
        logger.error("The worker of the transfer %s is silent, so the transfer was ended.", pk)
        wanted = transfer.is_cancel_wanted
        transfer.state = Transfer.State.CANCELLED if wanted else Transfer.State.FAILED
        transfer.finish()


def _look_later(pk: int) -> None:
    end_if_silent.using(run_after=timezone.now() + SILENT).enqueue(pk)


def _locked(pk: int) -> Transfer:
    """The transfer, locked until the open transaction ends."""
    return Transfer.objects.select_for_update(of=("self",)).select_related("started_by").get(pk=pk)
