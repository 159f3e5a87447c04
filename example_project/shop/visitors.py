"""The number of a visitor, which the session keeps."""

from django.utils.crypto import get_random_string


def get_visitor(request):
    """Return the visitor's number, or None before the first form."""
    return request.session.get("visitor")


def make_visitor(request):
    """Return the visitor's number. A visitor without one gets it."""
    if "visitor" not in request.session:
        request.session["visitor"] = get_random_string(16)
    return request.session["visitor"]
