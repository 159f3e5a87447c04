"""docs/howto/references.rst: its code runs, in the documented round trips."""

import asyncio

from django_ormist.testing import assert_round_trips
from tests.docs.pages import run


def test_the_code_of_the_page_runs(server):
    names = run("howto/references")
    names["Order"].objects.all().delete()
    for number in range(20):
        customer = names["Customer"].objects.create(name=str(number))
        names["Order"].objects.create(customer=customer)
    assert len(asyncio.run(names["totals"]())) == 20
    with assert_round_trips(2):
        names["names_of_customers"]()
    with assert_round_trips(1):
        names["place_order"](customer)
