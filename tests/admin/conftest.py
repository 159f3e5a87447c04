"""The admin site of site.py, and users with different permissions."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.models import City

from . import site as _  # noqa: F401  its permissions are made with the database
from .declared import CREATE_TABLE, Shipment, SqlShipment

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


@pytest.fixture
def admin_settings(server, settings, db):
    settings.ROOT_URLCONF = "tests.admin.site"
    settings.MIDDLEWARE = MIDDLEWARE
    settings.TEMPLATES = TEMPLATES
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


@pytest.fixture
def staff(admin_settings, django_user_model):
    """A client of a member of staff with these permissions: ``staff("view_city")``."""

    def make(*codenames):
        user = django_user_model.objects.create_user(
            f"staff-{'-'.join(codenames)}", password="x", is_staff=True
        )
        for codename in codenames:
            user.user_permissions.add(
                Permission.objects.get(
                    content_type__app_label__in=("tests", "django_ormist"),
                    codename=codename,
                )
            )
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def superuser(admin_settings, django_user_model):
    return django_user_model.objects.create_superuser("root", password="x")


@pytest.fixture
def root(superuser):
    """A client of the superuser."""
    client = Client()
    client.force_login(superuser)
    return client


def url(page, *args):
    """Return the URL of a page: ``url("tests_city_change", pk)``."""
    from django.contrib.admin.utils import quote

    return reverse(f"admin:{page}", args=[quote(a) for a in args])


@pytest.fixture
def cities(root):
    rows = [("Rome", "IT", 2_800_000), ("Pisa", "IT", 90_000), ("Lyon", "FR", 520_000)]
    return City.objects.bulk_create(
        City("old", name=name, country=country, population=people, code=name[:2])
        for name, country, people in rows
    )


@pytest.fixture
def sql(db):
    """Django's model beside ours, with its table."""
    with connection.cursor() as cursor:
        cursor.execute(CREATE_TABLE)
    return SqlShipment


@pytest.fixture
def store(server):
    """Stores attributes as they are, as an earlier release of a project did."""

    def stored(**attrs):
        shipment = Shipment(id="old")
        shipment.attrs.clear()
        shipment.attrs.update(attrs)
        shipment._meta.fields_by_name, kept = {}, shipment._meta.fields_by_name
        try:
            shipment.save()
        finally:
            shipment._meta.fields_by_name = kept
        return Shipment.objects.get("old")

    return stored
