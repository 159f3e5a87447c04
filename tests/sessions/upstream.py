"""Django's own session tests over our engine, in a process of their own.

    python -m tests.sessions.upstream SOURCE LOCATION USE_TZ

SOURCE: Django's unpacked source, of the installed version. It ends like unittest.
"""

import sys
import unittest


def main() -> None:
    source, location, use_tz = sys.argv[1:]
    sys.path.insert(0, f"{source}/tests")
    from django.conf import settings

    settings.configure(
        SECRET_KEY="of-a-child",
        USE_TZ=use_tz == "True",
        SESSION_ENGINE="django_ormist.sessions",
        ORMIST={"default": {"LOCATION": location, "KEY_PREFIX": "upstream"}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3"}},
        INSTALLED_APPS=[  # models of its other engines need the app
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django_ormist",
            "sessions_tests",
        ],
    )
    import django

    django.setup()
    from importlib import import_module

    from django.test import SimpleTestCase
    from sessions_tests import tests as upstream

    class OurSessionTests(upstream.SessionTestsMixin, SimpleTestCase):
        backend = import_module(settings.SESSION_ENGINE).SessionStore

        test_load_overlong_key = upstream.CacheSessionTests.test_load_overlong_key

    suite = unittest.defaultTestLoader.loadTestsFromTestCase(OurSessionTests)
    result = unittest.TextTestRunner(stream=sys.stdout).run(suite)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
