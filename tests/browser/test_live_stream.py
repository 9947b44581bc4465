"""realtime/static/realtime/live_stream.js in a real browser, and what can happen to it.

The tabs show a page of their own, follower.html, so that nothing but the stream is tested.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import transaction
from playwright.sync_api import BrowserContext, Route
from playwright.sync_api import Error as PlaywrightError

import realtime
from config.demo.accounts import PASSWORD
from realtime import Topic, topic_of
from realtime.models import Event, Stream

from ..clients import STREAM, event_id, signed_in
from ..servers import running_server
from ..shared_servers import SharedServer, shared_server
from ..storm.cluster import Cluster, running_cluster
from ..storm.proxy import running_proxy
from .buffering_proxy import running_buffering_proxy
from .following import Following
from .hurried import SERVED

# A heartbeat each second, so that a silence is noticed after two and a half, and a look into the
# tables.
SETTINGS = "tests.browser.hurried"
NO_LOCKS = "delete Navigator.prototype.locks"
NO_CHANNEL = "delete globalThis.BroadcastChannel"
MANY_TABS = 10


@pytest.fixture(scope="module")
def shared_site(playwright, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    yield from shared_server(django_db_blocker, "runserver", DJANGO_SETTINGS_MODULE=SETTINGS)


@contextmanager
def follow_in(context: BrowserContext, url: str, **options: object) -> Iterator[Following]:
    following = Following(context, url, **options)
    yield following
    for tab in following.tabs:
        tab.page.close()
    assert following.errors == []


@pytest.fixture
def following(site, browser) -> Iterator[Following]:
    with follow_in(browser.new_context(), site.url) as following:
        yield following


@pytest.fixture
def everyday_following(site, everyday) -> Iterator[Following]:
    """In a browser session as people have it."""
    with follow_in(everyday, site.url) as following:
        yield following


def publish(user, *data) -> None:
    for one in data:
        realtime.publish(to=user, type="orders", data=one, stream="default")


def open_live_tabs(following, user, count):
    """The first of them leads."""
    tabs = []
    for _ in range(count):
        tabs.append(following.open_tab(user))
        tabs[-1].expect_state("live")
    assert tabs[0].streams
    return tabs


def test_ten_tabs_hold_one_connection_and_each_is_told_everything_once(following, alice):
    following.sign_in(alice)
    tabs = open_live_tabs(following, alice, MANY_TABS)
    publish(alice, *range(20))
    for tab in tabs:
        tab.expect_told(range(20))
    assert following.streams == 1


def test_a_tab_that_comes_late_is_told_what_its_page_did_not_show(following, alice):
    following.sign_in(alice)
    [first] = open_live_tabs(following, alice, 1)
    publish(alice, 1, 2, 3)
    first.expect_told([1, 2, 3])
    seen = Event.objects.filter(topic=topic_of(alice)).earliest("position")
    late = following.open_tab(alice, cursor=event_id(seen.position))
    late.expect_told([2, 3])
    publish(alice, 4)
    late.expect_told([2, 3, 4])
    first.expect_told([1, 2, 3, 4])
    assert following.streams == 1
    assert not late.streams


def test_tabs_that_follow_something_else_keep_out_of_it(following, alice, shop):
    """Everybody's events have a connection of their own; other events of hers share hers."""
    following.sign_in(shop)
    own = following.open_tab(shop)
    now = realtime.current_cursor()
    everybodys = following.open_tab(shop, url=f"{STREAM}?scope=all", cursor=now)
    others = following.open_tab(shop, types=["bell"])
    for tab in (own, everybodys, others):
        tab.expect_state("live")
    publish(shop, "the shop's")
    publish(alice, "Alice's")
    realtime.publish(to=shop, type="bell", data="a bell's", stream="default")
    everybodys.expect_told(["the shop's", "Alice's"])
    own.expect_told(["the shop's"])
    others.expect_told(["a bell's"])
    assert following.streams == 2


@pytest.mark.parametrize("missing", [NO_LOCKS, NO_CHANNEL], ids=["locks", "channel"])
def test_where_tabs_cannot_share_each_has_a_stream(following, alice, missing):
    following.context.add_init_script(missing)
    following.sign_in(alice)
    tabs = open_live_tabs(following, alice, 3)
    publish(alice, 1, 2)
    for tab in tabs:
        tab.expect_told([1, 2])
    assert following.streams == 3


# The leader goes


def test_when_the_leader_closes_another_goes_on_without_loss(following, alice):
    following.sign_in(alice)
    leader, *others = open_live_tabs(following, alice, 3)
    for number in range(40):
        publish(alice, number)
        if number == 20:
            leader.page.close()
    for tab in others:
        tab.expect_told(range(40))
        tab.expect_state("live")
    assert following.streams == 1


def test_when_the_leader_goes_to_another_page_another_goes_on(following, alice):
    following.sign_in(alice)
    leader, other = open_live_tabs(following, alice, 2)
    leader.page.goto("about:blank")
    publish(alice, 1)
    other.expect_told([1])
    assert following.streams == 1


def test_when_the_leader_crashes_another_goes_on_without_loss(following, alice):
    following.sign_in(alice)
    leader, *others = open_live_tabs(following, alice, 3)
    publish(alice, *range(10))
    with leader.page.expect_event("crash"), suppress(PlaywrightError):
        leader.page.goto("chrome://crash")  # its process ends without a word
    publish(alice, *range(10, 20))
    for tab in others:
        tab.expect_told(range(20))
    assert following.streams == 1


def test_a_leader_that_is_frozen_lets_another_lead_and_is_told_all_when_it_wakes(
    everyday_following, alice
):
    following = everyday_following
    following.sign_in(alice)
    leader, other = open_live_tabs(following, alice, 2)
    publish(alice, 1)
    leader.expect_told([1])
    other.page.bring_to_front()
    tools = leader.developer_tools()
    tools.send("Page.setWebLifecycleState", {"state": "frozen"})
    publish(alice, 2, 3)
    other.expect_told([1, 2, 3])
    assert other.streams
    tools.send("Page.setWebLifecycleState", {"state": "active"})
    leader.expect_told([1, 2, 3])
    publish(alice, 4)
    for tab in (leader, other):
        tab.expect_told([1, 2, 3, 4])
        tab.expect_state("live")
    assert following.streams == 1


def test_a_leader_that_hangs_is_deposed_and_follows_when_it_is_back(following, alice):
    """Nobody says so: its script stands still, and it keeps lock and connection."""
    following.sign_in(alice)
    leader, *others = open_live_tabs(following, alice, 3)
    tools = leader.developer_tools()
    tools.send("Debugger.enable")
    tools.send("Debugger.pause")
    publish(alice, *range(5))
    for tab in others:
        tab.expect_told(range(5))
        tab.expect_state("live")
    tools.send("Debugger.disable")
    publish(alice, 5)
    for tab in (leader, *others):
        tab.expect_told(range(6))
        tab.expect_state("live")
    assert following.streams == 1
    assert not leader.streams


# The server, the database, the network


def test_a_server_restarted_underneath_costs_nothing(site, shared_site, following, alice):
    following.sign_in(alice)
    tabs = open_live_tabs(following, alice, 2)
    publish(alice, 1)
    site.stop()
    for tab in tabs:
        tab.expect_state("reconnecting")
    publish(alice, 2, 3)
    shared_site.again()
    for tab in tabs:
        tab.expect_told([1, 2, 3])
        tab.expect_state("live")
    assert following.streams == 1
    publish(alice, 4)
    for tab in tabs:
        tab.expect_told([1, 2, 3, 4])


def test_a_database_restarted_underneath_costs_nothing(shop_files, tmp_path, browser):
    with (
        running_cluster(tmp_path / "cluster", files=shop_files) as cluster,
        running_server(
            "runserver",
            DATABASE_URL=cluster.url("postgres"),
            DJANGO_SETTINGS_MODULE=SETTINGS,
        ) as site,
        follow_in(browser.new_context(), site.url) as following,
        cluster.connect("postgres") as session,
    ):
        [key] = session.execute("SELECT id FROM auth_user WHERE username = 'alice'").fetchone()
        alice = Topic("auth.user", key)
        with signed_in(site, "alice", PASSWORD) as client:
            following.take_session(client.cookies[settings.SESSION_COOKIE_NAME])
        tabs = open_live_tabs(following, alice, 2)
        write_events(cluster, alice, 1, 2)
        for tab in tabs:
            tab.expect_told([1, 2])
        cluster.crash()
        for tab in tabs:
            tab.expect_state("live")  # it keeps its heartbeat, see README.md
        cluster.start()
        write_events(cluster, alice, 3, 4)
        for tab in tabs:
            tab.expect_told([1, 2, 3, 4])
            tab.expect_state("live")
        assert following.streams == 1


def write_events(cluster: Cluster, to: Topic, *data: int) -> None:
    """Without a hint: the next look into the tables finds them."""
    with cluster.connect("postgres") as session:
        for one in data:
            session.execute(
                "INSERT INTO realtime_outbox (stream, topic, type, data) "
                "VALUES ('default', %s, 'orders', %s)",
                [topic_of(to), str(one)],
            )


def test_when_the_network_is_away_it_says_so_and_catches_up(following, alice):
    following.sign_in(alice)
    tabs = open_live_tabs(following, alice, 2)
    following.context.set_offline(True)
    for tab in tabs:
        tab.expect_state("offline")
    publish(alice, 1, 2)
    following.context.set_offline(False)
    for tab in tabs:
        tab.expect_told([1, 2])
        tab.expect_state("live")
    assert following.streams == 1


def test_a_connection_that_dies_without_a_word_is_noticed(site, browser, alice):
    context = browser.new_context()
    with (
        running_proxy(site.port) as proxy,
        follow_in(context, f"http://127.0.0.1:{proxy.port}") as following,
    ):
        serve_static_files(context)
        following.sign_in(alice)
        tabs = open_live_tabs(following, alice, 2)
        proxy.cut()
        publish(alice, 1, 2)
        for tab in tabs:
            tab.expect_state("reconnecting")
        proxy.heal()
        for tab in tabs:
            tab.expect_told([1, 2])
            tab.expect_state("live")


def serve_static_files(context: BrowserContext) -> None:
    """Without the site: else some connections to it are left idle, and the browser tries each of
    these dead ones for as long as an answer may take before it opens a new one.
    """

    def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path.removeprefix("/static/")
        route.fulfill(path=finders.find(path) or SERVED / path)

    context.route("**/static/**", serve)


def test_behind_a_proxy_that_holds_streams_back_it_asks_every_few_seconds(site, browser, alice):
    with (
        running_buffering_proxy(site.port) as proxy,
        follow_in(
            browser.new_context(), f"http://127.0.0.1:{proxy.port}", openingSeconds=1
        ) as following,
    ):
        following.sign_in(alice)
        tabs = [following.open_tab(alice) for _ in range(2)]
        for tab in tabs:
            tab.expect_state("polling")
        for number in range(2):
            publish(alice, number)
            for tab in tabs:
                tab.expect_told(range(number + 1))
        for tab in tabs:
            tab.expect_state("polling")
        assert following.streams == 0


def test_an_answer_that_ends_an_eventsource_does_not_end_the_stream(following, alice):
    following.sign_in(alice)
    refused = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=[500, 503][len(refused) - 1])

    following.context.route(f"**{STREAM}?*", refuse, times=2)
    tab = following.open_tab(alice)
    tab.expect_state("live")
    assert len(refused) == 2
    publish(alice, 1)
    tab.expect_told([1])


# The page comes back


def test_a_page_from_the_back_forward_cache_goes_on(site, everyday_following, alice):
    everyday_following.sign_in(alice)
    [tab] = open_live_tabs(everyday_following, alice, 1)
    publish(alice, 1)
    tab.expect_told([1])
    tab.page.evaluate("globalThis.isTheSamePage = true")
    tab.page.goto(f"{site.url}/login/")
    publish(alice, 2)
    tab.page.go_back(wait_until="commit")
    tab.expect_told([1, 2])
    tab.expect_state("live")
    assert tab.page.evaluate("globalThis.isTheSamePage")


# Whose page it is


def test_when_the_session_ends_it_says_so_until_somebody_signs_in_again(following, alice):
    following.sign_in(alice)
    tabs = open_live_tabs(following, alice, 2)
    following.sign_out()
    for tab in tabs:
        tab.expect_state("signed-out")
    publish(alice, 1)
    following.sign_in(alice)
    new = following.open_tab(alice)
    for tab in (*tabs, new):
        tab.expect_state("live")
        tab.expect_told([1])
    assert following.streams == 1


def test_a_page_is_never_told_what_is_somebody_elses(following, alice, bob):
    following.sign_in(alice)
    alices = open_live_tabs(following, alice, 2)
    publish(alice, "Alice's")
    for tab in alices:
        tab.expect_told(["Alice's"])
    following.sign_in(bob)
    bobs = following.open_tab(bob)
    bobs.expect_state("live")
    publish(bob, "Bob's")
    publish(alice, "Alice's again")
    for tab in alices:
        tab.expect_state("someone-else")
        tab.expect_told(["Alice's"])
    bobs.expect_told(["Bob's"])
    following.sign_in(alice)
    alices[1].page.bring_to_front()
    alices[1].page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    for tab in alices:
        tab.expect_told(["Alice's", "Alice's again"])
        tab.expect_state("live")


# Cursors that can't be honoured


def test_a_reset_reaches_each_tab_and_the_stream_goes_on(following, alice):
    following.sign_in(alice)
    publish(alice, 1)
    last = realtime.current_cursor().position
    first = following.open_tab(alice, cursor=f"{last + 98}-a")
    first.expect_resets(f"history {last}")
    first.expect_state("live")
    later = following.open_tab(alice, cursor=f"{last + 49}-a")
    later.expect_resets(f"history {last}")
    publish(alice, 2)
    for tab in (first, later):
        tab.expect_told([2])


def test_a_log_that_went_back_resets_every_tab_that_is_open(following, alice):
    following.sign_in(alice)
    tabs = open_live_tabs(following, alice, 2)
    publish(alice, 1, 2, 3)
    for tab in tabs:
        tab.expect_told([1, 2, 3])
    first = Event.objects.filter(topic=topic_of(alice)).earliest("position")
    with transaction.atomic():  # as a backup does that is restored
        Event.objects.filter(stream=first.stream, position__gt=first.position).delete()
        Stream.objects.filter(name=first.stream).update(position=first.position, mark=first.mark)
    for tab in tabs:
        tab.expect_resets(f"history {first.position}")
    publish(alice, "2 again")
    for tab in tabs:
        tab.expect_told([1, 2, 3, "2 again"])
