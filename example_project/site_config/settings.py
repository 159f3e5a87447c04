"""Settings for one's own machine: no SQL database, the objects in ``data/``."""

import os
from pathlib import Path
from urllib.parse import quote

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = True
SECRET_KEY = os.environ.get("SECRET_KEY", "for-this-machine-alone")
ROOT_URLCONF = "site_config.urls"
STATIC_URL = "static/"
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django_ormist",
    "site_config",
    "cities",
    "todo",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"]
        },
    }
]

ORMIST = {
    "default": {
        "LOCATION": os.environ.get("ORMIST_LOCATION")
        or f"embedded://{quote(str(BASE_DIR / 'data'))}",
        "KEY_PREFIX": "example",
    }
}
