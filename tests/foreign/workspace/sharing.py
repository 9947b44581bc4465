"""A document is shared with somebody outside its team, and their bell tells them."""

from django.db import transaction

from realtime.bell import forget, notify


def share(document, readers, by):
    """Let users read a document, and tell them: both, or neither."""
    with transaction.atomic():
        document.readers.add(*readers)
        notify(readers, "workspace.shared", document, by=by.get_username())


def delete(document):
    """Delete a document, and take it out of the bells of those who were told of it."""
    with transaction.atomic():
        forget(document.readers.all(), document)
        document.delete()
