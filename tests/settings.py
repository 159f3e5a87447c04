"""The settings module of all tests."""

SECRET_KEY = "only-the-tests-use-this"
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_ormist",
    "tests",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
# Django's default takes 0.4 seconds for each password.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Nobody listens on port 1: a test that asks for no server reaches none, not even the
# one that a developer happens to run.
ORMIST = {"default": {"LOCATION": "redis://127.0.0.1:1/0"}}
