import time
from decimal import Decimal
from enum import Enum
from functools import partial
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, Group
from django.db import connection, connections, transaction
from django.db.utils import ConnectionDoesNotExist
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils.functional import SimpleLazyObject
from psycopg.conninfo import make_conninfo

import realtime
from realtime import EVERYTHING, PUBLIC, InvalidEvent, InvalidTopic, Topic
from realtime.exceptions import NotMigrated
from realtime.log import pending_notifications, polling_lease
from realtime.log.notifications import PENDING_CHANNEL
from realtime.log.pending_notifications import known_leases
from realtime.log.publishing import connection_of
from realtime.log.topics import followed
from realtime.models import Event, OutboxEvent, Process, PrunedKind

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def streams(settings):
    settings.REALTIME = {**settings.REALTIME, "STREAMS": ["default", "imports-*"]}


def waiting(*fields):
    fields = fields or ("stream", "topic", "data")
    return list(OutboxEvent.objects.order_by("id").values_list(*fields))


def test_an_event_waits_in_the_outbox(alice):
    realtime.publish(to=alice, type="order", data={"total": Decimal("9.90")})
    assert waiting("stream", "topic", "type", "format", "data", "key") == [
        ("default", f"auth.user:{alice.pk}", "order", "json", '{"total":"9.90"}', "")
    ]
    assert not Event.objects.exists()


@pytest.fixture
def alias(monkeypatch):
    """Names the test database otherwise, or what is said of another one."""

    def name(alias, **differences):
        settings = {**connections["default"].settings_dict, **differences}
        monkeypatch.setitem(connections.settings, alias, settings)

    yield name
    for alias in set(connections) - {"default"}:
        connections[alias].close()
        del connections[alias]


@pytest.mark.parametrize("elsewhere", [{"NAME": "west"}, {"HOST": "west"}, {"PORT": "1"}])
def test_a_database_that_the_stream_is_not_in_is_refused(alias, elsewhere):
    alias("west", **elsewhere)
    for ask in (partial(realtime.publish, to=PUBLIC, data=1), realtime.current_cursor):
        with pytest.raises(InvalidEvent, match=r"'default' lives in .* and using='west' leads to"):
            ask(using="west")
    with pytest.raises(ConnectionDoesNotExist):
        realtime.publish(to=PUBLIC, data=1, using="wset")
    assert waiting() == []


def test_another_alias_of_its_database_is_not(alias, settings):
    home = connections["default"].settings_dict
    alias("the same")
    assert connection_of("default", "the same") is connections["the same"]
    # Through PgBouncer, but for the listener and for this alias.
    alias("pooled", HOST="pooler.example", PORT="6432")
    direct = make_conninfo(host=home["HOST"], port=home["PORT"], dbname=home["NAME"])
    settings.REALTIME = {**settings.REALTIME, "DATABASE": "pooled", "LISTEN_URL": direct}
    assert connection_of("default", "default") is connections["default"]


def test_an_event_without_a_type_is_unnamed():
    realtime.publish(to=PUBLIC, data=1)
    assert waiting("type") == [("",)]


def test_nothing_and_null_are_not_the_same():
    realtime.publish(to=PUBLIC, data=None)
    assert waiting("data") == [("null",)]
    with pytest.raises(InvalidEvent, match="one of data=…, text=… and html=…"):
        realtime.publish(to=PUBLIC)
    with pytest.raises(InvalidEvent, match="one of data=…, text=… and html=…"):
        realtime.publish(to=PUBLIC, data=1, text="1")


@pytest.mark.parametrize("argument", ["text", "html"])
def test_a_text_is_kept_as_it_is_but_for_its_line_ends(argument):
    realtime.publish(to=PUBLIC, **{argument: "<p>\r\n \u2028é</p>\r\n"})
    assert waiting("format", "data") == [("text", "<p>\n \u2028é</p>\n")]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", 7, b"bytes"])
def test_a_text_that_can_not_be_sent_is_refused(text):
    with pytest.raises(InvalidEvent, match="text"):
        realtime.publish(to=PUBLIC, text=text)
    assert waiting() == []


def test_an_event_of_more_bytes_than_allowed_is_refused(settings):
    settings.REALTIME = {**settings.REALTIME, "MAX_EVENT_BYTES": 10}
    realtime.publish(to=PUBLIC, text="é" * 5)
    with pytest.raises(InvalidEvent, match="has 12 bytes, and REALTIME"):
        realtime.publish(to=PUBLIC, text="é" * 6)


def test_the_last_value_has_its_key(alice):
    realtime.publish(to=alice, data=10, latest="progress")
    assert waiting("key") == [("progress",)]
    for key in ("", "x" * 101, "a\nb", 7):
        with pytest.raises(InvalidEvent, match="latest="):
            realtime.publish(to=alice, data=10, latest=key)


class TestTopics:
    def test_an_instance_is_named_by_its_model_and_its_key(self, alice):
        assert realtime.topic_of(alice) == f"auth.user:{alice.pk}"
        assert realtime.topic_of(SimpleLazyObject(lambda: alice)) == f"auth.user:{alice.pk}"
        assert realtime.topic_of(Topic("auth.user", alice.pk)) == f"auth.user:{alice.pk}"

    def test_instances_of_two_models_with_one_key_are_two_topics(self, alice):
        group = Group.objects.create(pk=alice.pk)
        assert realtime.topic_of(group) == f"auth.group:{alice.pk}"

    def test_a_proxy_is_what_it_stands_for(self, alice, django_user_model):
        class Customer(django_user_model):
            class Meta:
                proxy = True
                app_label = "tests"

        assert realtime.topic_of(Customer.objects.get(pk=alice.pk)) == f"auth.user:{alice.pk}"

    def test_a_user_is_a_user_by_whatever_model_they_were_loaded(self, alice, django_user_model):
        """Whoever is signed in follows the user; to publish to the employee is to tell them."""
        with isolate_apps("tests"):

            class Employee(django_user_model):
                class Meta:
                    app_label = "tests"

            employee = Employee(user_ptr=alice, id=alice.pk)
            employee._state.adding = False
            assert realtime.topic_of(employee) == f"auth.user:{alice.pk}"

    def test_a_key_is_as_its_field_reads_it(self):
        """Else what was just saved would be another topic than the same row in the next request."""
        saved = Process.objects.create(pk=UUID(int=7).hex, host="localhost", pid=1)
        assert realtime.topic_of(saved) == realtime.topic_of(Process.objects.get())

    def test_the_parts_of_a_composite_key_can_not_be_mistaken(self):
        parts = [("a,b", "c"), ("a", "b,c"), ("a%2Cb", "c"), ("a", "b")]
        kinds = [PrunedKind(stream=stream, kind=kind) for stream, kind in parts]
        for kind in kinds:
            kind._state.adding = False
        topics = [realtime.topic_of(kind) for kind in kinds]
        assert topics[3] == "realtime.prunedkind:a,b"
        assert len(set(topics)) == 4

    def test_a_member_of_an_enumeration_is_its_value(self):
        """As those name it who publish in SQL."""

        class Kind(str, Enum):  # noqa: UP042  its text is “Kind.IMPORT”
            IMPORT = "import"

        class Step(int, Enum):
            FIRST = 1

        assert realtime.topic_of(Topic(Kind.IMPORT, Step.FIRST)) == "import:1"
        assert realtime.topic_of(Topic("import", Kind.IMPORT)) == "import:import"
        realtime.publish(to=PUBLIC, type=Kind.IMPORT, data=1, latest=Kind.IMPORT)
        assert waiting("type", "key") == [("import", "import")]

    def test_what_is_no_row_is_named_by_the_project(self):
        assert realtime.topic_of(Topic("import", "2026-11 é:x")) == "import:2026-11 é:x"
        assert realtime.topic_of(Topic("people.user", UUID(int=7))) == f"people.user:{UUID(int=7)}"
        assert realtime.topic_of(PUBLIC) == "public"

    @pytest.mark.parametrize(
        ("to", "why"),
        [
            ("auth.user:7", "is no topic"),
            (7, "is no topic"),
            (UUID(int=7), "is no topic"),
            (None, "is no topic"),
            (AnonymousUser(), "is no topic"),
            (Group, "is no topic"),
            ([[PUBLIC]], "not one topic but several"),
            ([7], "is no topic"),
            (EVERYTHING, "publish to realtime.PUBLIC"),
            (Group(), "save it first"),
            (Group(pk=7), "not saved yet"),
            (Topic("", 7), "kind"),
            (Topic("a:b", 7), "kind"),
            (Topic("import", ""), "key"),
            (Topic("import", None), "key"),
            (Topic("import", "a\nb"), "line breaks"),
            (Topic("import", "x" * 200), "1 to 200 characters"),
        ],
    )
    def test_what_is_no_topic_is_refused_with_a_reason(self, to, why):
        with pytest.raises(InvalidTopic, match=why):
            realtime.publish(to=to, data=1)
        assert waiting() == []

    def test_a_row_that_was_deleted_says_how_to_tell_of_it(self):
        group = Group.objects.create()
        group.delete()
        with pytest.raises(InvalidTopic, match=r"realtime\.Topic\('auth\.group', key\)"):
            realtime.publish(to=group, data="deleted")

    def test_a_queryset_and_a_list_get_an_event_each(self, alice, bob, django_user_model):
        topics = [f"auth.user:{alice.pk}", f"auth.user:{bob.pk}"]
        realtime.publish(to=django_user_model.objects.order_by("pk"), data=1)
        realtime.publish(to=[alice, bob, alice], data=2)
        assert waiting("topic", "data") == [(topic, data) for data in "12" for topic in topics]

    def test_a_group_of_nobody_is_told_nothing(self, django_user_model):
        realtime.publish(to=django_user_model.objects.none(), data=1)
        assert waiting() == []

    def test_a_client_follows_one_topic_or_several_or_everything(self, alice):
        user = f"auth.user:{alice.pk}"
        assert followed(alice) == (user,)
        assert followed([alice, PUBLIC, alice]) == (user, "public")
        assert followed(EVERYTHING) is EVERYTHING
        with pytest.raises(InvalidTopic, match="no topic to follow"):
            followed([])


def tenant():
    return tenant.name


class TestTenants:
    @pytest.fixture(autouse=True)
    def tenants(self, settings):
        settings.REALTIME = {**settings.REALTIME, "TENANT": f"{__name__}.tenant"}

    def test_the_same_key_in_two_tenants_is_two_topics(self, alice):
        topics = []
        for tenant.name in ("acme", "umbrella"):
            topics += [realtime.topic_of(alice), realtime.topic_of(PUBLIC)]
        user = f"auth.user:{alice.pk}"
        assert topics == [f"acme/{user}", "acme/public", f"umbrella/{user}", "umbrella/public"]

    @pytest.mark.parametrize("name", ["", "a/b", "a:b", "a b", None])
    def test_a_name_that_could_be_mistaken_is_refused(self, name):
        tenant.name = name
        with pytest.raises(InvalidTopic, match="TENANT"):
            realtime.topic_of(PUBLIC)

    def test_nobody_follows_everything_of_all_tenants(self):
        with pytest.raises(InvalidTopic, match="all tenants"):
            followed(EVERYTHING)


def test_many_events_keep_their_order(alice, bob):
    messages = [realtime.Message(alice, 1), realtime.Message(bob, text="2")]
    messages += [realtime.Message([alice, bob], 3, latest="third")]
    realtime.publish_many(messages, stream="default")
    assert waiting("data", "format", "key") == [
        ("1", "json", ""),
        ("2", "text", ""),
        ("3", "json", "third"),
        ("3", "json", "third"),
    ]


def test_many_events_are_one_insert(django_assert_num_queries):
    with django_assert_num_queries(1):
        realtime.publish_many([realtime.Message(PUBLIC, n) for n in range(500)])


def test_many_events_have_to_be_messages():
    with pytest.raises(InvalidEvent, match=r"no realtime\.Message"):
        realtime.publish_many([{"to": PUBLIC}])


def test_what_is_nested_without_end_is_refused():
    endless = []
    endless.append(endless)
    deep = nested = []
    for _ in range(100_000):
        nested.append([])
        nested = nested[0]
    for data in (endless, deep):
        with pytest.raises(InvalidEvent, match="can't be sent as JSON"):
            realtime.publish(to=PUBLIC, data=data)


@pytest.mark.django_db(transaction=True)
def test_who_manages_transactions_by_hand_publishes_too():
    """Django knows of no commit to hint after; the poll finds the event."""
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        realtime.publish(to=PUBLIC, data=1)
        connection.commit()
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    assert waiting("data") == [("1",)]


@pytest.mark.parametrize("data", [float("nan"), float("inf"), {1, 2}, object(), "\ud800"])
def test_what_json_can_not_say_is_refused_before_anything_is_written(data):
    with pytest.raises(InvalidEvent, match="JSON"):
        realtime.publish(to=PUBLIC, data=data)
    assert waiting() == []


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "a\0", None])
def test_a_stream_needs_a_name_that_fits_in_a_line(name):
    with pytest.raises(InvalidEvent, match="stream="):
        realtime.publish(to=PUBLIC, data=1, stream=name)


def test_a_stream_that_nobody_has_named_is_refused():
    realtime.publish(to=PUBLIC, data=1, stream="imports-2026")
    with pytest.raises(InvalidEvent, match="no stream 'ordres'"):
        realtime.publish(to=PUBLIC, data=1, stream="ordres")


@pytest.mark.parametrize("type", ["error", "heartbeat", "open", "reset", "message"])
def test_what_the_stream_itself_says_is_no_type_of_an_event(type):
    with pytest.raises(InvalidEvent, match=f"type='{type}' is what"):
        realtime.publish(to=PUBLIC, type=type, data=1)
    assert waiting() == []


def test_a_coroutine_publishes_too(alice):
    async_to_sync(realtime.apublish)(to=alice, data=1)
    assert waiting("data") == [("1",)]


def test_a_rollback_takes_the_event_along():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        realtime.publish(to=PUBLIC, stream="default", data=1)
        raise ZeroDivisionError
    assert waiting() == []


def leased(stream, *, seconds):
    """As if a process polled this stream for so long from now on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO realtime_pollinglease (stream, until)"
            " VALUES (%(stream)s, clock_timestamp() + make_interval(secs => %(seconds)s))"
            " ON CONFLICT (stream) DO UPDATE SET until = EXCLUDED.until",
            {"stream": stream, "seconds": seconds},
        )


class TestHints:
    """What listeners hear: only after the commit, once for each stream."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def listener(self, elsewhere):
        # Takes along what a rollback in another test may have left to hint at.
        realtime.publish(to=PUBLIC, stream="default", data=0)
        known_leases.forget()
        session = elsewhere()
        session.execute(f"LISTEN {PENDING_CHANNEL}")
        return session

    @staticmethod
    def heard(listener, marker="end"):
        """The payloads up to a marker that is sent now."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [PENDING_CHANNEL, marker])
        payloads = []
        for notification in listener.notifies(timeout=10):
            if notification.payload == marker:
                return payloads
            payloads.append(notification.payload)
        raise AssertionError("the marker was not heard")

    def test_a_transaction_hints_once_for_each_stream(self, listener):
        with transaction.atomic():
            realtime.publish(to=PUBLIC, stream="default", data=1)
            realtime.publish(to=PUBLIC, stream="default", data=2)
            realtime.publish(to=PUBLIC, stream="imports-1", data=3)
        assert self.heard(listener) == ["default", "imports-1"]

    def test_nothing_is_hinted_before_the_commit(self, listener):
        with transaction.atomic():
            realtime.publish(to=PUBLIC, stream="default", data=1)
            listener.execute("SELECT")  # a round trip: whatever was sent has arrived
            assert list(listener.notifies(timeout=0)) == []
        assert self.heard(listener) == ["default"]

    def test_a_rollback_hints_nothing(self, listener):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            realtime.publish(to=PUBLIC, stream="default", data=1)
            raise ZeroDivisionError
        assert self.heard(listener) == []

    def test_while_the_stream_is_polled_nothing_is_hinted(self, listener):
        leased("default", seconds=0.19)
        realtime.publish(to=PUBLIC, stream="default", data=1)
        realtime.publish_many([realtime.Message(PUBLIC, n) for n in (2, 3)], stream="default")
        realtime.publish(to=PUBLIC, stream="imports-1", data=4)
        assert self.heard(listener) == ["imports-1"]

    def test_a_commit_after_the_lease_is_hinted(self, listener):
        leased("default", seconds=0.1)
        realtime.publish(to=PUBLIC, stream="default", data=1)
        with transaction.atomic():
            realtime.publish(to=PUBLIC, stream="default", data=2)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.11)")
        assert self.heard(listener) == ["default"]

    def test_who_knows_of_a_lease_asks_no_more_until_it_is_over(self, listener):
        leased("default", seconds=0.19)
        realtime.publish(to=PUBLIC, stream="default", data=1)
        known = known_leases.of("default", "default")
        assert known.until <= time.monotonic() + 0.19
        known.note_held(until=time.monotonic() + 60)
        with CaptureQueriesContext(connection) as queries:
            realtime.publish(to=PUBLIC, stream="default", data=2)
        assert len(queries) == 1
        assert self.heard(listener) == []
        known.note_held(until=time.monotonic())
        realtime.publish(to=PUBLIC, stream="imports-1", data=3)
        leased("default", seconds=-1)
        realtime.publish(to=PUBLIC, stream="default", data=4)
        assert self.heard(listener) == ["imports-1", "default"]

    @pytest.fixture
    def long_leases(self, monkeypatch):
        """So that a slow machine doesn't see the end of one."""
        monkeypatch.setattr(polling_lease, "LEASE_SECONDS", 60.0)
        monkeypatch.setattr(polling_lease, "RENEWAL_SECONDS", 40.0)
        monkeypatch.setitem(pending_notifications.NOTIFY_PARAMETERS, "lease_seconds", 60.0)

    def test_who_was_told_that_nobody_polls_asks_again_after_a_few_hints(
        self, listener, long_leases
    ):
        hints = 1 + polling_lease.UNASKED_NOTIFICATIONS
        realtime.publish(to=PUBLIC, stream="default", data=0)
        leased("default", seconds=50)
        with CaptureQueriesContext(connection) as queries:
            for number in range(1, hints + 2):
                realtime.publish(to=PUBLIC, stream="default", data=number)
        assert self.heard(listener) == ["default"] * hints
        asked = [number for number, query in enumerate(queries) if "pollinglease" in query["sql"]]
        # Each event is an INSERT and a hint; but the last, which needs no hint any more.
        assert asked == [2 * hints - 1]

    def test_who_was_told_that_nobody_polls_believes_it_no_longer_than_a_lease_lasts(
        self, listener, long_leases
    ):
        realtime.publish(to=PUBLIC, stream="default", data=1)
        known = known_leases.of("default", "default")
        assert known._unasked_until <= time.monotonic() + 60
        known._unasked_until = time.monotonic()
        leased("default", seconds=50)
        realtime.publish(to=PUBLIC, stream="default", data=2)
        assert self.heard(listener) == ["default"]

    def test_of_a_lease_that_ends_soon_one_asks_for_all_whether_it_goes_on(
        self, listener, long_leases
    ):
        leased("default", seconds=50)
        known = known_leases.of("default", "default")
        statements = []
        over = time.monotonic()
        ends = over + 30
        for until in (ends, ends, ends + 1, over, over):
            known.note_held(until=until)
            with CaptureQueriesContext(connection) as queries:
                realtime.publish(to=PUBLIC, stream="default", data=1)
            statements.append(len(queries))
        # The first asks, the second relies on that; another lease, and one that is over, are asked
        # about anew.
        assert statements == [2, 1, 2, 2, 2]
        assert known.until > time.monotonic() + 30
        assert self.heard(listener) == []

    def test_a_hint_carries_any_name_that_a_stream_may_have(self, listener):
        name = "imports-'it''s' 100%s \\ é"
        for number in range(2):  # asks whether somebody polls, and doesn't
            realtime.publish(to=PUBLIC, stream=name, data=number)
        assert self.heard(listener) == [name, name]

    def test_a_lease_longer_than_any_is_not_relied_on(self, listener):
        """The database's clock was set back since."""
        leased("default", seconds=3600)
        realtime.publish(to=PUBLIC, stream="default", data=1)
        assert self.heard(listener) == ["default"]

    def test_a_hint_that_fails_costs_neither_the_change_nor_the_event(self, elsewhere, caplog):
        """The session dies between the commit and the hint."""

        def die():
            pid = connection.connection.info.backend_pid
            elsewhere().execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

        with transaction.atomic():
            transaction.on_commit(die)
            realtime.publish(to=PUBLIC, stream="default", data=1)
        connection.close()
        assert waiting() == [("default", "public", "1")]
        assert "Error calling" in caplog.text

    def test_event_and_change_are_one_transaction(self, django_user_model):
        with transaction.atomic():
            user = django_user_model.objects.create_user("carol")
            realtime.publish(to=user, stream="default", data=1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT xmin FROM auth_user UNION SELECT xmin FROM realtime_outbox")
            assert len(cursor.fetchall()) == 1


@pytest.mark.django_db(transaction=True)
def test_without_its_tables_it_says_which_migration_has_to_come_first(elsewhere):
    """As in a data migration on a fresh database."""
    owner = elsewhere()
    owner.execute("ALTER TABLE realtime_outbox RENAME TO not_there_yet")
    try:
        with pytest.raises(NotMigrated, match=r'dependencies = \[\("realtime", "__first__"\)'):
            realtime.publish(to=PUBLIC, data=1)
    finally:
        owner.execute("ALTER TABLE not_there_yet RENAME TO realtime_outbox")
