"""The first page."""

from cities.models import City, Country
from django.shortcuts import render
from todo.models import TodoItem

from django_ormist.sessions import Session


def index(request):
    """Show links to the pages, and the number of objects."""
    return render(
        request,
        "index.html",
        {
            "cities": City.objects.count(),
            "millions": City.objects.find("million").count(),
            "countries": Country.objects.count(),
            "items": TodoItem.objects.count(),
            "sessions": Session.objects.count(),
            "queries": [
                "City.objects.count()",
                'City.objects.find("million").count()',
                "Country.objects.count()",
                "TodoItem.objects.count()",
                "Session.objects.count()",
            ],
        },
    )
