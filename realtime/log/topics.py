"""Topics: who or what an event concerns, and the text that stands for it in the log.

    document                       documents.document:7
    request.user                   auth.user:3
    Topic("import", "2026-11")     import:2026-11
    PUBLIC                         public

A topic's text carries its kind, so that the document with key 1 is never the user with key 1.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from .. import conf
from ..exceptions import InvalidTopic
from . import wire

# The length of the column.
LONGEST = 200
KIND = re.compile(r"[A-Za-z0-9_.-]+")
# sql/prune_kind.sql has the same expression.
KIND_OF_TEXT = re.compile(r"(?:[^/:]+/)?([^:]+)")
TENANT = re.compile(r"[^/:\s]+")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that is no model instance, or a model instance that need not be loaded.

    kind: letters, digits, `_`, `.` and `-`.
    key: text, a whole number or a UUID.

    `Topic("auth.user", order.customer_id)` is the topic of that user.
    """

    kind: str
    key: str | int | UUID


class Public(Enum):
    """The topic that everybody may follow, even without signing in where a view allows that."""

    PUBLIC = "public"

    def __repr__(self) -> str:
        return "realtime.PUBLIC"


class Everything(Enum):
    """All topics of a stream: a view may let a client follow it, but nobody can publish to it."""

    EVERYTHING = "everything"

    def __repr__(self) -> str:
        return "realtime.EVERYTHING"


PUBLIC: Final = Public.PUBLIC
EVERYTHING: Final = Everything.EVERYTHING


@dataclass(frozen=True, slots=True)
class Selection:
    """The events of some types in all topics, and all events in some topics."""

    types: frozenset[str]
    topics: tuple[str, ...]


# What a stream's client follows: topics as texts, the whole stream, or a part of both.
Topics = tuple[str, ...] | Literal[Everything.EVERYTHING] | Selection

HINT = "Give a saved model instance, realtime.Topic(kind, key) or realtime.PUBLIC."


def topic_of(subject: Any) -> str:
    """The text of a topic.

    subject: a saved model instance, a `Topic` or `PUBLIC`.

    Returns 1 to 200 characters without line breaks: `documents.document:7`. With
    `REALTIME["TENANT"]` they begin with the current tenant: `acme/documents.document:7`.

    Raises InvalidTopic if the subject is none of these, or its text would be too long.
    """
    text = _text_of(subject)
    if not 1 <= len(text) <= LONGEST or not wire.is_line(text):
        raise InvalidTopic(
            f"{subject!r} can't be a topic: its text has to be 1 to {LONGEST} characters without "
            "line breaks, NUL or lone surrogates."
        )
    return text


def topics_of(to: Any) -> list[str]:
    """The texts of one topic, or of several in a queryset, list, tuple or set; each once.

    Raises InvalidTopic.
    """
    if isinstance(to, (QuerySet, list, tuple, set, frozenset)):
        return list(dict.fromkeys(topic_of(one) for one in to))
    return [topic_of(to)]


def followed(subjects: Any) -> Topics:
    """What a client follows: EVERYTHING, or the texts of one or several topics.

    Raises InvalidTopic if a subject is no topic, or there is none.
    """
    if subjects is EVERYTHING:
        if conf.get("TENANT") is not None:
            raise InvalidTopic(
                "realtime.EVERYTHING would be the events of all tenants, as REALTIME['TENANT'] "
                "is set: name the topics to follow."
            )
        return Everything.EVERYTHING
    topics = tuple(topics_of(subjects))
    if not topics:
        raise InvalidTopic(f"There is no topic to follow. {HINT}")
    return topics


def named(topics: Topics) -> tuple[str, ...]:
    """The topics that a client follows by name."""
    if topics is EVERYTHING:
        return ()
    return topics.topics if isinstance(topics, Selection) else topics


def kind_of(topic: str) -> str:
    """The kind of the topic that has this text."""
    match = KIND_OF_TEXT.match(topic)
    return topic if match is None else match[1]


def _text_of(subject: Any) -> str:
    if subject is PUBLIC:
        text = "public"
    elif isinstance(subject, Topic):
        text = _text_of_topic(subject)
    elif isinstance(subject, Model):
        text = _text_of_instance(subject)
    elif subject is EVERYTHING:
        raise InvalidTopic(
            "realtime.EVERYTHING is what a client may follow, not a topic. To reach everybody "
            "publish to realtime.PUBLIC."
        )
    elif isinstance(subject, (QuerySet, list, tuple, set, frozenset)):
        raise InvalidTopic(f"{subject!r} is not one topic but several. {HINT}")
    else:
        raise InvalidTopic(f"{subject!r} is no topic. {HINT}")
    return _tenant_prefix() + text


def _text_of_topic(topic: Topic) -> str:
    if not isinstance(topic.kind, str) or not KIND.fullmatch(topic.kind):
        raise InvalidTopic(
            f"{topic!r}: the kind of a topic has to be letters, digits, “_”, “.” and “-”."
        )
    is_key = isinstance(topic.key, (str, int, UUID)) and not isinstance(topic.key, bool)
    if not is_key or topic.key == "":
        raise InvalidTopic(
            f"{topic!r}: the key of a topic has to be text, a whole number or a UUID."
        )
    key = topic.key
    # The plain value: str() of an enumeration's member may be the member's name.
    if isinstance(key, (str, int)):
        key = str.__str__(key) if isinstance(key, str) else int(key)
    return f"{str.__str__(topic.kind)}:{key}"


def _text_of_instance(instance: Model) -> str:
    model = instance._meta.concrete_model or type(instance)  # a proxy is what it stands for
    if model._meta.parents and isinstance(instance, user_model := get_user_model()):
        # A user loaded through a model that inherits from the user model is the same user.
        model = user_model._meta.concrete_model or user_model
    label = model._meta.label_lower
    if instance.pk is None:
        raise InvalidTopic(
            f"{instance!r} has no primary key: save it first. For a deleted row use "
            f"realtime.Topic({label!r}, key), with the key that it had."
        )
    if instance._state.adding:
        raise InvalidTopic(
            f"{instance!r} is not saved yet: save it first. For a row that you haven't loaded use "
            f"realtime.Topic({label!r}, key)."
        )
    return f"{label}:{_key_text(instance, model)}"


def _key_text(instance: Model, model: type[Model]) -> str:
    """The primary key of a row as text, the same however its instance was made.

    It is converted as the field does: an instance saved with the key "007", or a UUID without
    dashes, has another value when it is loaded. A composite key is its parts joined by commas.
    """
    fields: Any = model._meta.pk_fields
    parts = [str(field.to_python(getattr(instance, field.attname))) for field in fields]
    if len(parts) == 1:
        return parts[0]
    # Commas in a part are escaped as in a URL: ("a,b", "c") and ("a", "b,c") are two topics.
    return ",".join(part.replace("%", "%25").replace(",", "%2C") for part in parts)


def _tenant_prefix() -> str:
    tenant = tenant_of_now()
    return f"{tenant}/" if tenant else ""


def tenant_of_now() -> str:
    """The name of the current tenant; empty without REALTIME["TENANT"]. Raises InvalidTopic."""
    path = conf.get("TENANT")
    if path is None:
        return ""
    tenant = import_string(path)()
    if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
        raise InvalidTopic(
            f"REALTIME['TENANT'], {path}(), returned {tenant!r}: it has to be text without "
            "spaces, “/” and “:”."
        )
    return tenant
