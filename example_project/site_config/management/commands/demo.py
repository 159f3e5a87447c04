"""``manage.py demo``: load cities and the shop, print queries, and serve."""

import time
from statistics import median

from cities.models import City, Country
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from shop.models import Job, Product, Shopper
from todo.models import TodoItem

MODELS = (City, Country, Job, Product, Shopper, TodoItem)

# These lines are printed and run. The to-do items have fixed ids, so that another demo
# writes the same ones again.
WRITES = [
    'TodoItem("project1", "project2", id="demo1", '
    'text="project1 and project2", expire=3600).save()',
    'TodoItem("project2", "project3", id="demo2", '
    'text="project2 and project3", expire=600).save()',
]
QUERIES = [
    "City.objects.count()",
    'City.objects.get("2950159").attrs',
    'City.objects.find(country="DE").count()',
    'list(map(str, City.objects.find(country="DE")[:5]))',
    'list(map(str, City.objects.find("million", country="IN")[:5]))',
    'City.objects.find(country="US", timezone="America/Denver").count()',
    'list(map(str, City.objects.find(area="US.CA").reverse()[:3]))',
    "list(map(str, City.objects.all()[30_000:30_003]))",
    'len(City.objects.find(country="JP").list())',
    'City.objects.find(country="DE").contains(City(id="2950159"))',
    'Country.objects.get("NZ").timezones',
    'TodoItem.objects.find("project2").list()',
    'TodoItem.objects.get("demo2").ttl()',
    'Product.objects.find(kind="paper", price__lt="6").list()',
    'list(map(str, Shopper.objects.order_by("-points")[:3]))',
    "Shopper.objects.find(points__gt=50).count() + 1",
    'Job.objects.find(state="waiting").count()',
]
USERS = ("ada", "bob")
PASSWORD = "demo"  # noqa: S105 - only for a local site


def sign_up(name):
    """Create the user unless it exists; the first one may use the admin."""
    users = get_user_model().objects
    if not users.filter(username=name).exists():
        is_first = name == USERS[0]
        users.create_user(
            name, password=PASSWORD, is_staff=is_first, is_superuser=is_first
        )


class Command(BaseCommand):
    help = "Load the cities and the shop, print some queries with times, then serve."

    def add_arguments(self, parser):
        parser.add_argument(
            "addrport", nargs="?", default="127.0.0.1:8000", help="where to serve"
        )
        parser.add_argument(
            "--no-serve", action="store_true", help="end after the queries"
        )

    def handle(self, *, addrport, no_serve, **options):
        call_command("migrate", verbosity=0)
        for name in USERS:
            sign_up(name)
        # self.stdout would end each step of the progress bar with a new line.
        for command in ("load_cities", "load_shop"):
            call_command(command, stdout=options.get("stdout"))
        self.say("\nEach query, its answer, and the median time of five calls:\n\n")
        for code in WRITES + QUERIES:
            self.answer(code)
        if no_serve:
            return
        self.say(f"Sign in as {' or '.join(USERS)}, password {PASSWORD!r}.\n")
        self.say(f"{USERS[0]} may use the admin too: http://{addrport}/admin/\n")
        self.say(f"The site is on http://{addrport}/ until Ctrl-C.\n\n")
        call_command("runserver", addrport, use_reloader=False)

    def answer(self, code):
        """Run *code*, and print it with its result and the median of five times."""
        names = {model.__name__: model for model in MODELS}
        times_ms = []
        for _ in range(6):
            started_at = time.perf_counter()
            value = eval(code, names)  # noqa: S307 - only the lines above
            times_ms.append((time.perf_counter() - started_at) * 1000)
        self.say(f">>> {code}")
        if value is not None:
            self.say(repr(value))
        # The first call made the connection and loaded the script.
        self.say(f"    {median(times_ms[1:]):.2f} ms\n\n")

    def say(self, text):
        self.stdout.write(text)
        self.stdout.flush()
