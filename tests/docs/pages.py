"""The pages of the manual, as tests read them."""

import ast
import inspect
import re
from importlib import import_module

from tests.servers import ROOT

DOCS = ROOT / "docs"


def blocks(page, language="python"):
    """Return the code blocks of one language, without their indentation.

    page: the path below docs/, without its suffix.
    """
    pattern = rf"( *)\.\. code-block:: {language}\n\n((?:\1    .*\n|\n)+)"
    found = re.findall(pattern, (DOCS / f"{page}.rst").read_text())
    return [re.sub(rf"(?m)^{indent}    ", "", code) for indent, code in found]


def run(page, scope=None, skip=()):
    """Run the Python blocks of a page in one scope, and return it.

    skip: what the blocks begin with that are left out.
    """
    scope = {"__name__": page.replace("/", "_")} if scope is None else scope
    for code in blocks(page):
        if not code.startswith(tuple(skip)):
            exec(compile(code, f"{page}.rst", "exec"), scope)
    return scope


def documented(page):
    """Yield each documented object: its name, its signature as text or "", itself."""
    module, owner = "", None
    text = (DOCS / f"{page}.rst").read_text()
    pattern = r"(?m)^( *)\.\. (?:py:)?([a-z]+):: ([\w.]+)(\(.*\))?$"
    for indent, directive, name, signature in re.findall(pattern, text):
        if directive in ("module", "currentmodule"):
            module = import_module(name)
        elif directive in ("class", "function"):
            found = getattr(module, name)
            owner = found if directive == "class" else owner
            yield name, signature, found
        elif directive in ("method", "classmethod") and indent:
            yield f"{owner.__name__}.{name}", signature, getattr(owner, name)
        elif directive in ("property", "attribute") and indent:
            where = {**inspect.get_annotations(owner), **vars(owner)}
            assert name in where or name in inspect.getsource(owner.__init__), name


def assert_signatures(page):
    """Assert that each signature on a page is that of the code; return the names."""
    names = set()
    for name, signature, found in documented(page):
        names.add(name)
        if signature:
            assert parameters(found) == written(signature), name
    return names


def parameters(found):
    """Return kind, name and default of each parameter but self."""
    given = inspect.signature(found).parameters.values()
    return [
        (each.kind, each.name, each.default) for each in given if each.name != "self"
    ]


def written(signature):
    """Return the parameters of a signature that is written on a page."""
    scope = {}
    exec(compile(ast.parse(f"def f{signature}: ..."), "<page>", "exec"), scope)
    return parameters(scope["f"])


def use_site(settings, urls, templates):
    """Serve the views of the module *urls* with these templates, without middleware."""
    settings.ROOT_URLCONF = urls
    settings.MIDDLEWARE = []
    settings.ALLOWED_HOSTS = ["testserver"]
    loader = ("django.template.loaders.locmem.Loader", templates)
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [loader]},
        }
    ]
