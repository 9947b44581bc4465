import re
from datetime import timedelta
from decimal import Decimal

import jsonschema
import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from orders.models import MAX_QUANTITY, Order

from ..conftest import PASSWORD
from .samples import an_order, events, told

pytestmark = pytest.mark.django_db

ORDERS = reverse("order-list")
TEA = {"product": "Tea", "quantity": 2, "unit_price": "4.50"}


def api(user=None):
    """A client that sends the user's access token, and JSON."""
    client = APIClient()
    client.default_format = "json"
    if user:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
    return client


def address(order):
    return reverse("order-detail", args=[order.pk])


def allow(user, *permissions):
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))


@pytest.fixture
def order(alice):
    """An order of Alice's."""
    order = an_order(alice)
    order.save()
    return order


@pytest.mark.parametrize(
    "claims", [{"user_id": "x"}, {"user_id": [1]}, {"user_id": 10**30}, {"exp": 10**30}], ids=str
)
def test_a_signed_token_with_senseless_claims_is_refused(client, alice, claims):
    for token, use in (
        (AccessToken.for_user(alice), lambda token: bearer(client, token)),
        (RefreshToken.for_user(alice), lambda token: refresh(client, token)),
    ):
        token.payload |= claims
        assert use(token).status_code == 401


def bearer(client, token):
    return client.get(ORDERS, headers={"Authorization": f"Bearer {token}"})


def refresh(client, token):
    return client.post("/api/token/refresh/", {"refresh": str(token)})


def test_no_cache_keeps_anybodys_orders(alice, order):
    for url in (ORDERS, address(order)):
        assert "no-store" in api(alice).get(url).headers["Cache-Control"]


def test_a_customer_places_an_order_with_a_token_from_their_password(client, alice):
    tokens = client.post("/api/token/", {"username": "alice", "password": PASSWORD}).json()
    renewed = client.post("/api/token/refresh/", {"refresh": tokens["refresh"]}).json()
    for access in (tokens["access"], renewed["access"]):
        response = client.post(
            "/api/orders/",
            TEA,
            content_type="application/json",
            headers={"Authorization": f"Bearer {access}"},
        )
        assert response.status_code == 201
        order = Order.objects.get(pk=response.json()["id"])
        assert (order.customer, order.total) == (alice, Decimal("9.00"))
    assert [status for _, status in told()] == ["placed", "placed"]


def test_the_answer_is_the_order(alice):
    answer = api(alice).post(ORDERS, TEA).json()
    order = Order.objects.get()
    assert answer == api(alice).get(address(order)).json()
    assert answer == {
        "id": order.pk,
        "customer": "alice",
        "product": "Tea",
        "quantity": 2,
        "unit_price": "4.50",
        "total": "9.00",
        "status": "placed",
        "placed_at": order.placed_at.isoformat().replace("+00:00", "Z"),
    }


def test_nobody_places_an_order_for_somebody_else_or_with_a_status(alice, bob):
    mine = {"id": 1, "customer": bob.pk, "customer_id": bob.pk, "status": "delivered", "total": "0"}
    answer = api(alice).post(ORDERS, {**TEA, **mine, "placed_at": "2020-01-01T00:00:00Z"}).json()
    order = Order.objects.get(pk=answer["id"])
    assert (order.customer, order.status, order.total) == (alice, "placed", 9)
    assert order.placed_at.year > 2020
    assert not bob.orders.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"product": ""},
        {"product": " \t\u00a0 "},
        {"product": None},
        {"product": "x" * 201},
        {"product": "nul \0"},
        {"product": ["Tea"]},
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": MAX_QUANTITY + 1},
        {"quantity": 10**30},
        {"quantity": 1.5},
        {"quantity": "1e3"},
        {"quantity": True},
        {"unit_price": "-0.01"},
        {"unit_price": "0.001"},
        {"unit_price": "100000000"},
        {"unit_price": "NaN"},
        {"unit_price": "sNaN"},
        {"unit_price": "-Infinity"},
        {"unit_price": "1e400"},
        {"unit_price": {}},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(alice, wrong):
    response = api(alice).post(ORDERS, {**TEA, **wrong})
    assert response.status_code == 400
    assert list(response.json()) == list(wrong)
    assert not Order.objects.exists()


@pytest.mark.parametrize("field", ["product", "quantity", "unit_price"])
def test_an_order_needs_all_its_fields(alice, field):
    response = api(alice).post(ORDERS, {name: TEA[name] for name in TEA if name != field})
    assert (response.status_code, list(response.json())) == (400, [field])


@pytest.mark.parametrize("body", ["{", "[]", "null", '{"quantity": NaN}', '"x"'])
def test_a_body_that_is_no_order_is_refused(alice, body):
    response = api(alice).post(ORDERS, body, content_type="application/json")
    assert response.status_code == 400


def test_half_a_surrogate_pair_is_refused(alice):
    body = r'{"product": "\ud800", "quantity": 1, "unit_price": "1"}'
    response = api(alice).post(ORDERS, body, content_type="application/json")
    assert (response.status_code, list(response.json())) == (400, ["product"])


def test_customers_list_their_own_orders_newest_first(alice, bob):
    orders = [an_order(alice), an_order(bob), an_order(alice)]
    for order in orders:
        order.save()
    answer = api(alice).get(ORDERS).json()
    assert [order["id"] for order in answer["results"]] == [orders[2].pk, orders[0].pk]
    assert answer["count"] == 2


def test_a_long_list_comes_in_pages_with_few_queries(alice, django_assert_max_num_queries):
    Order.objects.bulk_create([an_order(alice) for _ in range(60)])
    client = api(alice)
    with django_assert_max_num_queries(5):
        first = client.get(ORDERS).json()
    second = client.get(first["next"]).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (50, 10, None)
    assert client.get(ORDERS, {"page": 99}).status_code == 404


def test_somebody_elses_order_is_not_found(bob, order):
    theirs, missing = api(bob).get(address(order)), api(bob).get("/api/orders/0/")
    assert (theirs.status_code, theirs.json()) == (404, missing.json())  # guessing tells nothing


@pytest.mark.parametrize("number", ["0", "nonsense", "9" * 30, "1.0", "-1"])
def test_an_order_that_is_not_there_is_not_found(alice, order, number):
    assert api(alice).get(f"/api/orders/{number}/").status_code == 404


@pytest.mark.parametrize("permission", ["view_order", "change_order"])
def test_who_may_view_or_change_orders_sees_everybodys(bob, order, permission):
    allow(bob, permission)
    assert api(bob).get(address(order)).json()["customer"] == "alice"
    assert api(bob).get(ORDERS).json()["count"] == 1


def test_the_shop_moves_an_order_on_with_one_event(shop, order):
    for status in ("paid", "paid", "shipped"):
        response = api(shop).patch(address(order), {"status": status})
        assert (response.status_code, response.json()["status"]) == (200, status)
    assert told() == [(order.pk, "placed"), (order.pk, "paid"), (order.pk, "shipped")]


def test_a_transition_that_makes_no_sense_is_refused_with_the_reason(shop, order):
    response = api(shop).patch(address(order), {"status": "delivered"})
    assert response.status_code == 400
    assert response.json() == {
        "status": [
            "An order that is “Placed” can't become “Delivered”, only “Paid” or “Cancelled”."
        ]
    }
    assert told() == [(order.pk, "placed")]


@pytest.mark.parametrize("change", [{}, {"status": "lost"}, {"status": None}, {"quantity": 3}])
def test_a_change_without_a_known_status_is_refused(shop, order, change):
    response = api(shop).patch(address(order), change)
    assert (response.status_code, list(response.json())) == (400, ["status"])


def test_nothing_but_the_status_can_be_changed(shop, bob, order):
    change = {"status": "paid", "quantity": 99, "unit_price": "0", "customer": bob.pk}
    assert api(shop).patch(address(order), change).status_code == 200
    saved = Order.objects.get()
    assert (saved.status, saved.quantity, saved.unit_price) == ("paid", 2, Decimal("4.50"))
    assert saved.customer == order.customer


def test_customers_cannot_move_their_orders(alice, order):
    response = api(alice).patch(address(order), {"status": "paid"})
    assert response.status_code == 403
    assert "orders.change_order" in response.json()["detail"]
    allow(alice, "view_order")
    assert api(alice).patch(address(order), {"status": "paid"}).status_code == 403
    assert told() == [(order.pk, "placed")]


@pytest.mark.parametrize("method", ["put", "delete"])
def test_orders_are_neither_replaced_nor_deleted(alice, shop, order, method):
    for user in (alice, shop):
        assert getattr(api(user), method)(address(order), TEA).status_code == 405
        assert getattr(api(user), method)(ORDERS, TEA).status_code == 405
    assert api(shop).patch(ORDERS, {"status": "paid"}).status_code == 405
    assert api(shop).post(address(order), TEA).status_code == 405
    assert Order.objects.exists()


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic YWxpY2U6eA==", "expired"])
def test_without_a_valid_token_nothing_is_told(alice, order, header):
    client = APIClient()
    if header == "expired":
        token = AccessToken.for_user(alice)
        token.set_exp(lifetime=-timedelta(seconds=1))
        header = f"Bearer {token}"
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)
    for response in (client.get(ORDERS), client.get(address(order)), client.post(ORDERS, TEA)):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_refresh_token_opens_nothing(alice):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {RefreshToken.for_user(alice)}")
    assert client.get(ORDERS).status_code == 401


def test_a_deactivated_customer_gets_nothing(client, alice):
    bearer, refresh = api(alice), str(RefreshToken.for_user(alice))
    client.force_login(alice)
    alice.is_active = False
    alice.save()
    assert bearer.get(ORDERS).status_code == 401
    assert client.get(ORDERS).status_code == 401
    password = {"username": "alice", "password": PASSWORD}
    assert client.post(reverse("token_obtain_pair"), password).status_code == 401
    assert client.post(reverse("token_refresh"), {"refresh": refresh}).status_code == 401


def test_a_deleted_customer_gets_nothing(client, alice):
    bearer, refresh = api(alice), str(RefreshToken.for_user(alice))
    alice.delete()
    assert bearer.get(ORDERS).status_code == 401
    assert client.post(reverse("token_refresh"), {"refresh": refresh}).status_code == 401


def test_a_wrong_password_gets_no_token(client, alice):
    password = {"username": "alice", "password": "wrong"}
    assert client.post(reverse("token_obtain_pair"), password).status_code == 401


def test_a_session_needs_its_csrf_token_to_write(alice):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get(ORDERS).status_code == 200
    assert client.post(ORDERS, TEA, format="json").status_code == 403
    assert not Order.objects.exists()

    client.get(reverse("admin:login"))  # any page with a form sets the cookie
    token = client.cookies["csrftoken"].value
    response = client.post(ORDERS, TEA, format="json", headers={"X-CSRFToken": token})
    assert response.status_code == 201


def test_the_schema_is_valid_and_without_warnings(tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema"))


def test_the_schema_names_every_address(client):
    schema = client.get(reverse("schema"), headers={"Accept": "application/json"}).json()
    assert {path: set(methods) for path, methods in schema["paths"].items()} == {
        "/api/orders/": {"get", "post"},
        "/api/orders/{id}/": {"get", "patch"},
        "/api/token/": {"post"},
        "/api/token/refresh/": {"post"},
        "/orders/realtime": {"get"},
    }


def test_the_schema_tells_what_an_event_holds(client, order):
    schema = client.get(reverse("schema"), headers={"Accept": "application/json"}).json()
    described = schema["components"]["schemas"]["OrderEvent"]
    jsonschema.validate(events()[0], {**described, "additionalProperties": False})


def test_a_browser_gets_json_too(client, alice):
    client.force_login(alice)
    response = client.get(ORDERS, headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.headers["Content-Type"] == "application/json"


def test_the_page_to_try_the_api_has_no_inline_script_or_style(client):
    page = client.get(reverse("docs"))
    html = page.content.decode()
    assert len(re.findall("<script[^>]* src=", html)) == html.count("<script") == 4
    assert "<style" not in html
    assert "https://" not in html
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    script = client.get(re.findall('<script src="([^"]+)', html)[-1])
    assert script.headers["Content-Type"].startswith("application/javascript")
