"""The search page: ranges, orders and facets, without JavaScript."""

from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe
from site_config.queries import explain

from .forms import SearchForm
from .models import City, Country

PAGE = 25
FACETS = 12
"""The number of countries and time zones on offer, those with the most cities."""


@require_safe
def search(request):
    """Show a page of the cities that match the form in the URL, and their facets."""
    countries = Country.objects.all().list()
    form = SearchForm(request.GET, countries)
    found = City.objects.none()
    if form.is_valid():
        found = City.objects.find(**form.lookups()).order_by(*form.order_by())
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    shown = page.object_list.list()
    names = {each.id: each.name for each in countries}
    facets = [
        ("Countries", "country", _most(found, "country", names)),
        ("Time zones", "timezone", _most(found, "timezone", {})),
    ]
    return render(
        request,
        "cities/search.html",
        {
            "form": form,
            "page": page,
            "rows": [(each, names.get(each.country)) for each in shown],
            "facets": [facet for facet in facets if len(facet[2]) > 1],
            "timezones": [value for value, _, _ in facets[1][2]],
            "plan": explain(request, found),
        },
    )


def _most(found, name, labels):
    """Return the values of most cities: (value, its label, number of cities)."""
    counted = sorted(found.facets(name).items(), key=lambda pair: -pair[1])
    return [
        (value, labels.get(value, value), number) for value, number in counted[:FACETS]
    ]
