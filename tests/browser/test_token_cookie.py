"""A page that knows a token and no session, and the browser's own EventSource."""

from rest_framework_simplejwt.tokens import AccessToken

from orders.models import Order

from ..docs.recipes import blocks

[OPEN_BY_TOKEN] = [block.text for block in blocks("security.md") if block.language == "js"]
OPEN = """new Promise(resolve => {
    window.orders = [];
    source.addEventListener("orders", event => orders.push(JSON.parse(event.data).product));
    source.onopen = () => resolve("open");
    source.onerror = () => resolve(source.readyState === EventSource.CLOSED ? "refused" : "lost");
})"""
OPEN_THE_STREAM = f"""() => {{
    const source = new EventSource("/orders/realtime");
    return {OPEN};
}}"""
OPEN_BY_THE_DOCS = f"""async token => {{
    {OPEN_BY_TOKEN}
    const source = await openStream(token);
    return {OPEN};
}}"""
GIVE_IT_BACK = '() => fetch("/orders/realtime/cookie", {method: "DELETE"}).then(r => r.status)'


def test_an_event_source_carries_a_token_by_its_cookie(visit, complaints, alice, bob):
    complaints.expect("401")
    page = visit()
    assert page.evaluate(OPEN_THE_STREAM) == "refused"
    assert page.evaluate(OPEN_BY_THE_DOCS, str(AccessToken.for_user(alice))) == "open"
    assert page.evaluate("document.cookie").find("realtime") == -1
    for customer, product in ((bob, "Kettle"), (alice, "Teapot")):
        Order.objects.create(customer=customer, product=product, quantity=1, unit_price="24.50")
    # A function: what is no function is evaluated anew each time, which the policy forbids.
    page.wait_for_function("() => orders.length > 0")
    assert page.evaluate("orders") == ["Teapot"]
    [cookie] = [c for c in page.context.cookies() if c["name"] == "realtime_token"]
    assert (cookie["path"], cookie["sameSite"]) == ("/orders/realtime", "Strict")
    assert page.evaluate(GIVE_IT_BACK) == 204
    assert page.evaluate(OPEN_THE_STREAM) == "refused"
