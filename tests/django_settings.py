"""Settings for Django's own tests: the usual ones, with our session engine."""

import os

SECRET_KEY = "only-the-tests-use-this"
SESSION_ENGINE = "django_ormist.sessions"
ORMIST = {"default": {"LOCATION": os.environ["ORMIST_LOCATION"]}}

# As Django's own tests/test_sqlite.py.
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
