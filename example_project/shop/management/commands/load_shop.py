"""``manage.py load_shop``: products, shoppers, orders and jobs."""

import time

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from site_config.progress import Progress

from shop import catalogue
from shop.models import Job, Order, Product, Shopper

SHOPPERS = 2000
ORDERS = 12


class Command(BaseCommand):
    help = "Load the shop. Run again, it adds what is missing."

    def handle(self, **options):
        users = list(get_user_model().objects.order_by("pk")[:2])
        orders = catalogue.make_orders(users, ORDERS) if users else []
        objects = {
            Product: catalogue.read_products(),
            Shopper: catalogue.make_shoppers(SHOPPERS),
            Order: orders,
            Job: catalogue.make_jobs(orders),
        }
        total, done = sum(map(len, objects.values())), 0
        started_at = time.monotonic()
        with Progress(self.stdout, total) as progress:
            for model, some in objects.items():
                model.objects.bulk_create(some, ignore_conflicts=True)
                done += len(some)
                progress.show(done)
        seconds = time.monotonic() - started_at
        self.stdout.write(f"The shop has {total:,} objects, after {seconds:.1f} s.")
