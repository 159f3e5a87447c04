"""The first page."""

from inspect import getsource

from cities.models import City, Country
from django.shortcuts import render
from shop.models import Cart, Job, Order, Shopper
from todo.models import TodoItem

from django_ormist.sessions import Session

from . import visits

TEN_LINES = getsource(visits).partition('"""\n\n')[2].replace("\n\n\n", "\n\n")


def index(request):
    """Run the ten lines, and show links to the pages with the number of objects."""
    is_signed_in = request.user.is_authenticated
    return render(
        request,
        "index.html",
        {
            "ten_lines": TEN_LINES,
            "visits": visits.count_visit("first", is_signed_in=is_signed_in),
            "cities": City.objects.count(),
            "millions": City.objects.find("million").count(),
            "countries": Country.objects.count(),
            "items": TodoItem.objects.count(),
            "carts": Cart.objects.count(),
            "orders": Order.objects.count(),
            "jobs": Job.objects.count(),
            "shoppers": Shopper.objects.count(),
            "sessions": Session.objects.count(),
        },
    )
