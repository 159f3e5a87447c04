"""The site's admin."""

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.servers("valkey91")


@pytest.fixture
def ada(site, db, django_user_model):
    """A client of the site's superuser."""
    site.force_login(django_user_model.objects.create_superuser("ada", password="x"))
    return site


def page(client, address, **parameters):
    response = client.get(f"/admin/{address}", parameters)
    assert response.status_code == 200
    return response.content.decode()


def test_every_model_of_the_site_is_there(ada, stored):
    content = page(ada, "")
    for name in (
        *("cities/city", "cities/country", "shop/cart", "shop/job", "shop/order"),
        *("shop/product", "shop/shopper", "shop/signinlink", "todo/todoitem"),
    ):
        assert f"/admin/{name}/" in content
    for name in ("overview", "session"):
        assert f"/admin/django_ormist/{name}/" in content


def test_cities_are_filtered_and_opened(ada, stored):
    content = page(ada, "cities/city/", country="US", tags="million")
    assert "New York City" in content
    assert "Aurora" not in content
    assert "New York City" in page(ada, "cities/city/1/change/")


def test_carts_are_listed_by_their_expiration(ada, server):
    from shop.catalogue import make_carts
    from shop.models import Cart

    Cart.objects.bulk_create(make_carts(2))
    content = page(ada, "shop/cart/")
    first, second = Cart.objects.order_by("expire").ids()
    assert content.index(f"/{first}/change/") < content.index(f"/{second}/change/")


@pytest.mark.parametrize("name", ["job", "order", "product", "shopper"])
def test_the_objects_of_the_shop_are_listed_and_opened(ada, name):
    from django.contrib.auth import get_user_model
    from shop import catalogue
    from shop.models import Job, Order, Product, Shopper

    orders = catalogue.make_orders(get_user_model().objects.all(), 2)
    Product.objects.bulk_create(catalogue.read_products())
    Shopper.objects.bulk_create(catalogue.make_shoppers(2))
    Order.objects.bulk_create(orders)
    Job.objects.bulk_create(catalogue.make_jobs(orders))
    pk = {"job": "pack-demo01", "order": "demo01", "product": "tea"}.get(
        name, "shopper-1"
    )
    assert f"/{pk}/change/" in page(ada, f"shop/{name}/")
    page(ada, f"shop/{name}/{pk}/change/")


def test_countries_are_found_by_their_code(ada, stored):
    content = page(ada, "cities/country/", q="DE")
    assert "Germany" in content
    assert "Vatican" not in content


def test_an_item_is_kept_for_a_day(ada, server):
    from todo.models import TodoItem

    item = TodoItem.objects.create("home", text="milk", expire=60)
    data = {"action": "keep_a_day", "_selected_action": item.pk, "index": 0}
    ada.post("/admin/todo/todoitem/", data)
    assert TodoItem.objects.get(item.pk).ttl() > 86_000


def test_a_session_of_the_site_is_listed(ada, server):
    assert "2::" in page(ada, "django_ormist/session/")


def test_the_overview_counts_the_cities(ada, stored):
    assert "cities.City" in page(ada, "django_ormist/overview/")


def test_the_site_passes_all_checks(ada):
    call_command("check", fail_level="WARNING")
