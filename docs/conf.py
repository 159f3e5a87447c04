"""The manual's build: ``make docs`` calls sphinx-build with this."""

import django
from django.conf import settings

import django_ormist

# autodoc imports the package, and parts of it import models of Django's.
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_ormist",
    ],
    SECRET_KEY="not-a-secret",  # noqa: S106
)
django.setup()

project = "django_ormist"
author = "The django_ormist authors"
version = release = django_ormist.__version__

extensions = ["sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"django_ormist {version}"
html_copy_source = False
html_show_copyright = False

default_role = None
nitpicky = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"


def name_async_variant(app, what, name, obj, options, lines):
    """Add the async variant of a method to its description."""
    owner, _, method = name.rpartition(".")
    if what == "method" and has_async_variant(owner, method):
        lines += ["", f"*Async variant:* ``a{method}()``", ""]


def has_async_variant(owner, method):
    parent = django_ormist
    for part in owner.split(".")[1:]:
        parent = getattr(parent, part, None)
    return callable(getattr(parent, f"a{method}", None))


def setup(app):
    app.connect("autodoc-process-docstring", name_async_variant)
