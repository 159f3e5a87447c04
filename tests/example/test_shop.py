"""The shop of the site: what its pages do, and in how many round trips."""

import re
from decimal import Decimal

import pytest
from django.test import Client

import django_ormist as ormist
from django_ormist.testing import assert_round_trips

pytestmark = pytest.mark.servers("valkey91")


@pytest.fixture
def shop(site, db, django_user_model):
    """A client of the shop with 12 products, 60 shoppers, and orders of ada and bob."""
    from shop import catalogue
    from shop.models import Job, Order, Product, Shopper

    users = [
        django_user_model.objects.create_user(name, is_staff=name == "ada")
        for name in ("ada", "bob")
    ]
    orders = catalogue.make_orders(users, 6)
    Product.objects.bulk_create(catalogue.read_products())
    Shopper.objects.bulk_create(catalogue.make_shoppers(60))
    Order.objects.bulk_create(orders)
    Job.objects.bulk_create(catalogue.make_jobs(orders))
    site.ada, site.bob = users
    return site


def add(client, *products):
    for product in products:
        response = client.post("/shop/cart/", {"product": product})
        assert response.url == "/shop/cart/"


def sign_in(client, user):
    """Sign in, and keep the session's contents as the form does."""
    client.force_login(user)
    client.get("/shop/")  # the session has a cookie, and its visit is recorded


def shown(response):
    """Return what the page says about its queries: codes and numbers."""
    assert response.status_code == 200
    return [(query.code, query.round_trips) for query in recorder(response).queries]


def recorder(response):
    return response.context["recorder"]


# ------------------------------------------------------------ round trips


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/shop/", 2),
        ("/shop/?kind=paper&most=6", 2),
        ("/shop/?explain=1", 3),
        ("/shop/cart/", 0),
        ("/shop/carts/", 3),
        ("/shop/links/", 0),
        ("/shop/links/unknown/", 1),
        ("/shop/jobs/", 2),
        ("/shop/leaderboard/", 3),
        ("/shop/leaderboard/?page=2", 3),
    ],
)
def test_a_page_takes_few_round_trips(shop, path, number):
    shop.get(path)  # sends the scripts
    with assert_round_trips(number):
        response = shop.get(path)
    assert recorder(response).round_trips == number
    assert f'desc="{number} round trips"' in response["Server-Timing"]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/shop/", 3),
        ("/shop/cart/", 2),
        ("/shop/orders/", 3),
        ("/shop/orders/?all=1", 3),
        ("/shop/orders/demo00/", 2),
        ("/shop/jobs/", 3),
        ("/shop/leaderboard/", 6),
    ],
)
def test_a_page_of_a_signed_in_visitor_takes_one_more_for_the_session(
    shop, path, number
):
    sign_in(shop, shop.ada)
    add(shop, "tea")
    shop.post("/shop/leaderboard/", {"name": "Ada"})
    shop.get(path)
    with assert_round_trips(number):
        response = shop.get(path)
    assert ("request.session", 1) in shown(response)


def test_the_orders_of_all_users_take_one_sql_query(shop, django_assert_num_queries):
    sign_in(shop, shop.ada)
    with django_assert_num_queries(2):  # who is signed in; the users of the page
        response = shop.get("/shop/orders/?all=1")
    names = {order.user.username for order in response.context["orders"]}
    assert names == {"ada", "bob"}


def test_an_order_is_placed_in_one_round_trip(shop):
    from shop.models import Cart, Job, Order, Product

    tea = Product.objects.get("tea")
    Cart.add("one", tea).check_out(shop.ada)  # sends the script
    cart = Cart.add("one", tea)
    with assert_round_trips(1):
        order = cart.check_out(shop.ada)
    assert Order.objects.get(order.id).lines == cart.lines
    assert Job.objects.order_by("-created").first().order_id == order.id
    assert not Cart.objects.exists()


# ------------------------------------------------------- what a page says


def test_a_page_shows_the_code_of_its_queries(shop):
    response = shop.get("/shop/")
    assert shown(response) == [
        ('Product.objects.all().facets("kind")', 1),
        ("found[:100].list()", 1),
    ]
    assert "This page made 2 round trips in" in response.text
    assert re.search(r"1 round trip, \d+\.\d\d ms", response.text)
    assert re.search(r"<span>shop/views\.py:\d+</span>", response.text)


def test_the_next_page_shows_the_queries_of_the_form_once(shop):
    response = shop.post("/shop/cart/", {"product": "tea"}, follow=True)
    codes = [query.code for query in response.context["form_recorder"].queries]
    assert "Cart.objects.get_or_create(id=visitor)" in codes
    assert "cart.save(strict=True)" in codes
    assert "The form before made" in response.text
    assert "The form before made" not in shop.get("/shop/cart/").text


def test_forged_queries_are_not_shown(shop):
    shop.cookies["form_queries"] = "forged"
    response = shop.get("/shop/")
    assert "The form before made" not in response.text
    assert response.cookies["form_queries"]["max-age"] == 0


def test_the_plan_of_a_query_is_shown_on_request(shop):
    assert "Explain the query" in shop.get("/shop/?kind=paper").text
    text = shop.get("/shop/?kind=paper&explain=1").text
    assert "How the server finds them" in text
    assert "kind:paper (4)" in text
    assert "Explain the query" not in text


def test_a_query_without_column_positions_is_shown_by_its_line():
    from site_config.queries import find_expression

    class Code:
        co_filename = __file__

        def co_positions(self):
            yield (1, None, None, None)

    class Frame:
        f_code, f_lasti, f_lineno = Code(), 0, 1

    assert find_expression(Frame()).startswith('"""The shop of the site')


def test_pages_allow_no_foreign_scripts_and_styles(shop):
    response = shop.get("/shop/")
    assert response["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]+', response.text) == [
        'href="https://www.geonames.org/'  # a link
    ]
    assert not re.search(r"<style|style=|onclick|<script>", response.text)


# --------------------------------------------------------------- products


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("kind=paper", ["Postcards", "Pencils", "Notebook", "Pocket atlas"]),
        ("kind=paper&most=5.10", ["Postcards", "Pencils"]),
        ("most=1e1&kind=drink", ["Green tea", "Mug", "Coffee"]),
        ("most=cheap", []),
        ("kind=weapon", []),
        ("kind=&most=4", ["Postcards"]),
    ],
)
def test_products_are_found_by_texts_of_the_url(shop, query, names):
    response = shop.get(f"/shop/?{query}")
    assert list(map(str, response.context["products"])) == names


def test_the_staff_changes_a_product(shop):
    from shop.models import Product

    sign_in(shop, shop.ada)
    assert 'href="/shop/products/tea/"' in shop.get("/shop/").text
    page = shop.get("/shop/products/tea/")
    assert shown(page) == [("request.session", 1), ("ProductUpdate.get_object()", 1)]
    data = page.context["form"].initial | {
        "_version": page.context["form"]["_version"].value(),
        "price": "3.80",
    }
    wrong = shop.post("/shop/products/tea/", data | {"price": "-1", "kind": "food"})
    assert set(wrong.context["form"].errors) == {"price", "kind"}
    response = shop.post("/shop/products/tea/", data, follow=True)
    assert "Green tea is changed." in response.text
    codes = [query.code for query in response.context["form_recorder"].queries]
    assert codes[-1] == "ProductUpdate.form_valid()"
    assert Product.objects.get("tea").price == Decimal("3.80")
    late = shop.post("/shop/products/tea/", data | {"price": "3.70"})
    assert "Another user changed this product" in late.text
    assert shop.get("/shop/products/moon/").status_code == 404


def test_others_cannot_change_a_product(shop):
    assert "/shop/products/" not in shop.get("/shop/").text
    assert shop.get("/shop/products/tea/").url.startswith("/sign-in/")
    sign_in(shop, shop.bob)
    assert shop.post("/shop/products/tea/", {"price": "1"}).status_code == 403


# ------------------------------------------------------------------- cart


def test_a_cart_adds_up_and_lives_for_two_minutes(shop):
    add(shop, "tea", "mug", "tea")
    response = shop.get("/shop/cart/")
    cart = response.context["cart"]
    assert [(line.name, line.quantity) for line in cart.lines] == [
        ("Green tea", 2),
        ("Mug", 1),
    ]
    assert cart.total == Decimal("17.90")
    assert 110 < cart.ttl() <= 120
    assert '<time role="timer" datetime="PT1' in response.text


def test_one_less_of_one_removes_the_line(shop):
    add(shop, "tea", "mug")
    shop.post("/shop/cart/", {"product": "tea", "less": ""})
    cart = shop.get("/shop/cart/").context["cart"]
    assert (str(cart), cart.total) == ("1 Mug", Decimal("9.50"))


def test_a_change_keeps_an_expiring_cart_alive(shop):
    from shop.models import Cart

    add(shop, "tea")
    Cart.objects.all().set_expire(20)
    add(shop, "tea")
    assert Cart.objects.all().get().ttl() > 110


def test_an_unknown_product_is_not_found(shop):
    response = shop.post("/shop/cart/", {"product": "moon"})
    assert response.status_code == 404
    assert "There is no such page" in response.text


def test_two_requests_at_once_lose_no_line(shop, monkeypatch):
    from shop.models import Cart, Product

    tea, mug = (Product.objects.get(pk) for pk in ("tea", "mug"))
    Cart.add("one", tea)
    change = Cart.change

    def interrupted(cart, product, quantity):
        monkeypatch.setattr(Cart, "change", change)
        Cart.add("one", mug)  # another request, after this one has loaded the cart
        cart.change(product, quantity)

    monkeypatch.setattr(Cart, "change", interrupted)
    Cart.add("one", tea)
    assert str(Cart.objects.get("one")) == "2 Green tea, 1 Mug"


def test_carts_to_watch_expire_one_after_the_other(shop):
    assert shop.post("/shop/carts/", {"number": "4"}).url == "/shop/carts/"
    response = shop.get("/shop/carts/")
    ttls = [cart.ttl() for cart in response.context["carts"]]
    assert ttls == sorted(ttls)
    assert 10 < ttls[0] <= 15 < ttls[-1] <= 60
    carts = response.context["carts"]
    assert response.context["total"] == sum(cart.total for cart in carts)
    assert response.text.count("data-item") == 4


@pytest.mark.parametrize("number", ["0", "51", "many", ""])
def test_a_wrong_number_of_carts_is_refused(shop, number):
    response = shop.post("/shop/carts/", {"number": number})
    assert "errorlist" in response.text
    assert response.context["count"] == 0


# ----------------------------------------------------------------- orders


def test_a_visitor_signs_in_before_the_order(shop):
    add(shop, "tea")
    response = shop.post("/shop/cart/check-out/")
    assert response.url == "/sign-in/?next=/shop/cart/check-out/"


def test_a_cart_becomes_an_order_a_job_and_points(shop):
    from shop.models import Cart, Job, Order, Shopper

    sign_in(shop, shop.bob)
    add(shop, "compass")
    response = shop.post("/shop/cart/check-out/", follow=True)
    order = response.context["order"]
    assert f"Order {order} is placed." in response.text
    assert (order.user_id, order.total) == (shop.bob.pk, Decimal("31.50"))
    assert order.state is Order.State.PLACED
    assert (
        Job.objects.find(state="waiting").order_by("-created")[0].order_id == order.id
    )
    assert Shopper.objects.order_by("-created").first().points == 31
    assert not Cart.objects.exists()


def test_an_expired_cart_is_not_ordered(shop):
    from shop.models import Cart, Order

    sign_in(shop, shop.bob)
    add(shop, "tea")
    Cart.objects.all().delete()
    response = shop.post("/shop/cart/check-out/", follow=True)
    assert "The cart has expired, or was changed." in response.text
    assert Order.objects.count() == 6


@pytest.mark.parametrize("change", ["order", "add", "expire"])
def test_a_cart_is_ordered_once_and_as_it_was_shown(shop, change):
    from shop.models import Cart, Job, Order, Product

    tea = Product.objects.get("tea")
    cart = Cart.add("one", tea)
    if change == "order":
        Cart.objects.get("one").check_out(shop.ada)
    elif change == "add":
        Cart.add("one", tea)
    else:
        Cart.objects.all().set_expire(0)
    orders, jobs, carts = (each.objects.count() for each in (Order, Job, Cart))
    with pytest.raises(ormist.ConflictError):
        cart.check_out(shop.ada)
    assert (Order.objects.count(), Job.objects.count()) == (orders, jobs)
    assert Cart.objects.count() == carts == (change == "add")


def test_orders_are_those_of_the_user_or_everybodys_to_the_staff(shop):
    sign_in(shop, shop.bob)
    for query in ("", "?all=1"):
        orders = shop.get(f"/shop/orders/{query}").context["orders"]
        assert {order.user_id for order in orders} == {shop.bob.pk}
    sign_in(shop, shop.ada)
    assert len(shop.get("/shop/orders/?all=1").context["orders"]) == 6


def test_an_order_is_shown_to_its_user_and_the_staff(shop):
    from shop.models import Order

    order = Order.objects.find(user=shop.ada).first()
    sign_in(shop, shop.bob)
    assert shop.get(f"/shop/orders/{order.id}/").status_code == 404
    assert shop.get("/shop/orders/none/").status_code == 404
    sign_in(shop, shop.ada)
    assert "<dd>ada</dd>" in shop.get(f"/shop/orders/{order.id}/").text


def test_the_order_of_a_deleted_user_is_still_shown(shop):
    from shop.models import Order

    order = Order.objects.find(user=shop.bob).first()
    shop.bob.delete()
    sign_in(shop, shop.ada)
    assert "<dd>deleted</dd>" in shop.get(f"/shop/orders/{order.id}/").text


# ------------------------------------------------------------------ links


@pytest.fixture
def path(shop):
    """The path of a sign-in link for bob."""
    from shop.models import SignInLink

    return f"/shop/links/{SignInLink.issue(shop.bob)}/"


def test_a_link_is_shown_in_place_of_an_e_mail(shop):
    response = shop.post("/shop/links/", {"user": "bob"}, follow=True)
    token = shop.session["token"]
    assert f"/shop/links/{token}/</a>" in response.text
    assert 290 < response.context["link"].ttl() <= 300
    shop.post(f"/shop/links/{token}/")
    assert "It was used, or has expired." in shop.get("/shop/links/").text


def test_a_link_for_nobody_is_refused(shop):
    assert "errorlist" in shop.post("/shop/links/", {"user": "eve"}).text


def test_a_link_asks_for_a_click_and_signs_in_once(shop, path):
    for _ in range(2):
        assert '<button class="main">Sign in</button>' in shop.get(path).text
    response = shop.post(path, follow=True)
    assert "You are signed in as bob." in response.text
    assert response.context["user"] == shop.bob
    other = Client()
    response = other.post(path)
    assert response.status_code == 403
    assert "This link was used, or has expired." in response.text
    assert "This link was used" in other.get(path).text


def test_the_store_has_a_digest_of_the_token(shop, path):
    from shop.models import SignInLink

    token = path.split("/")[-2]
    assert [link.id for link in SignInLink.objects.all()] == [SignInLink.digest(token)]
    assert token not in repr(SignInLink.objects.get().attrs)


def test_of_two_requests_at_once_one_redeems_a_link(shop, path, monkeypatch):
    from shop.models import SignInLink

    token = path.split("/")[-2]
    loaded = SignInLink.find_link(token)
    assert SignInLink.redeem(token) == shop.bob
    monkeypatch.setattr(SignInLink, "find_link", lambda token: loaded)
    assert SignInLink.redeem(token) is None


def test_a_link_is_deleted_with_its_user(
    shop, path, django_capture_on_commit_callbacks
):
    from shop.models import SignInLink

    with django_capture_on_commit_callbacks(execute=True):
        shop.bob.delete()
    assert not SignInLink.objects.exists()
    assert shop.post(path).status_code == 403


def test_a_link_of_a_user_who_was_deleted_meanwhile_is_refused(shop, path):
    shop.bob.delete()
    assert shop.post(path).status_code == 403


# ------------------------------------------------------------------- jobs


def do(client, what, **more):
    """Press a button of the page of jobs, and return the message."""
    response = client.post("/shop/jobs/", {"do": what, **more}, follow=True)
    return re.search(r'<p role="status">(.*)</p>', response.text)[1]


def test_a_job_is_claimed_and_finished_and_its_order_is_packed(shop):
    from shop.models import Job, Order

    assert do(shop, "claim") == "Pack order demo03 is yours for a minute."
    [job] = Job.objects.find(state="running")
    assert 50 < job.lease_left <= 60
    assert "Finish: Pack order demo03" in shop.get("/shop/jobs/").text
    assert do(shop, "finish", job=job.id).startswith("Pack order demo03 is done.")
    assert Order.objects.get("demo03").state is Order.State.PACKED
    assert Job.objects.get(job.id).ttl() > 50


def test_a_job_of_another_worker_cannot_be_finished(shop):
    from shop.models import Job

    do(shop, "claim")
    [job] = Job.objects.find(state="running")
    assert do(Client(), "finish", job=job.id) == "That job is not yours any more."
    assert do(Client(), "finish") == "That job is not yours any more."


def test_a_job_whose_lease_has_ended_waits_again(shop):
    from django.utils import timezone
    from shop.models import Job

    do(shop, "claim")
    assert do(shop, "requeue") == "No lease has ended."
    Job.objects.find(state="running").update(lease_ends=timezone.now())
    assert "late" in shop.get("/shop/jobs/").text
    assert do(shop, "requeue") == "1 of the lost jobs wait again."
    assert Job.objects.find(state="waiting").count() == 3


def test_a_claim_looks_further_if_another_worker_was_faster(shop, monkeypatch):
    from shop.models import Job

    waiting = Job.objects.find(state="waiting").list()
    assert Job.claim("one") == waiting[0]
    find, stale = Job.objects.find, [waiting]

    def found(**lookups):
        return StaleList(stale.pop()) if stale else find(**lookups)

    monkeypatch.setattr(type(Job.objects), "find", lambda self, **rest: found(**rest))
    assert Job.claim("two") == waiting[1]


class StaleList(list):
    """A result of find() from before another worker's claim."""

    def __getitem__(self, key):
        return StaleList(super().__getitem__(key))

    def list(self):
        return list(self)


def test_no_job_is_claimed_twice_in_a_race(shop):
    from shop.models import Job

    message = do(shop, "race")
    assert message == "8 workers claimed 23 jobs at once, 0 of them twice."
    assert not Job.objects.find(state="waiting").exists()
    assert do(shop, "claim") == "No job waits."
    assert do(shop, "add").startswith("Count the shelf ")


# ------------------------------------------------------------ leaderboard


def test_the_place_of_a_visitor_is_counted(shop):
    from shop.models import Shopper

    for _ in range(2):
        response = shop.post("/shop/leaderboard/", {"name": "Eve"}, follow=True)
    own, place = response.context["own"], response.context["place"]
    assert (own.name, own.points) == ("Eve", 100)
    points = [each.points for each in Shopper.objects.all()]
    assert place == 1 + sum(number > 100 for number in points)
    assert f"place {place}." in response.text


def test_equal_points_share_a_place_over_the_end_of_a_page(shop, monkeypatch):
    from shop.models import Shopper

    Shopper.objects.all().delete()
    for number, points in enumerate((9, 7, 7, 7, 5)):
        Shopper.objects.create(id=str(number), name="x", points=points)
    monkeypatch.setattr("shop.warehouse.PAGE", 3)

    def places(page):
        rows = shop.get(f"/shop/leaderboard/?page={page}").context["rows"]
        return [place for place, _ in rows]

    assert places(1) == [1, 2, 2]
    assert places(2) == [2, 5]


def test_the_leaderboard_may_be_empty(shop):
    from shop.models import Shopper

    Shopper.objects.all().delete()
    assert shop.get("/shop/leaderboard/").context["rows"] == []


def test_a_shopper_needs_a_name(shop):
    assert "errorlist" in shop.post("/shop/leaderboard/", {"name": ""}).text
    assert shop.get("/shop/leaderboard/").context["own"] is None


# ------------------------------------------------------------------- demo


def test_load_shop_adds_what_is_missing(site, db, django_user_model):
    from io import StringIO

    from django.core.management import call_command
    from shop.models import Order, Product, Shopper

    call_command("load_shop", stdout=StringIO())
    assert not Order.objects.exists()  # without users
    django_user_model.objects.create_user("ada")
    Product.objects.get("tea").delete()
    out = StringIO()
    call_command("load_shop", stdout=out)
    assert out.getvalue().startswith("The shop has 2,030 objects, after ")
    assert (Product.objects.count(), Shopper.objects.count()) == (12, 2000)
    assert Order.objects.count() == 12
