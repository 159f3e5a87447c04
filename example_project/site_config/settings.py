"""Settings for local use: objects in ``data/``, users in SQLite."""

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
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_ormist",
    "site_config",
    "cities",
    "shop",
    "todo",
]
MIDDLEWARE = [
    "site_config.middleware.record_queries",
    "site_config.middleware.content_security_policy",
    "django.middleware.security.SecurityMiddleware",
    "django_ormist.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
                "site_config.queries.recorded",
            ]
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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("USERS_DATABASE") or BASE_DIR / "users.sqlite3",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SESSION_ENGINE = "django_ormist.sessions"
ORMIST_SESSIONS = {"END_OTHERS_ON_PASSWORD_CHANGE": True, "OUTAGE_STATUS": 503}
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "ormist_sessions:devices"
LOGOUT_REDIRECT_URL = "index"
