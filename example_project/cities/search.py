"""The search page: ranges, orders and facets, without JavaScript."""

from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

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
    found, queries = City.objects.none(), ["Country.objects.all()"]
    if form.is_valid():
        lookups, order = form.lookups(), form.order_by()
        found = City.objects.find(**lookups).order_by(*order)
        question = ", ".join(f"{name}={value!r}" for name, value in lookups.items())
        queries += [
            f"found = City.objects.find({question})",
            f"found = found.order_by({', '.join(map(repr, order))})",
            "found.count()",
        ]
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    if page.paginator.count:
        first = (page.number - 1) * PAGE
        queries.append(f"found[{first}:{first + PAGE}].list()")
        queries += ['found.facets("country")', 'found.facets("timezone")']
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
            "rows": [(each, names.get(each.country)) for each in page],
            "facets": [facet for facet in facets if len(facet[2]) > 1],
            "timezones": [value for value, _, _ in facets[1][2]],
            "queries": queries,
        },
    )


def _most(found, name, labels):
    """Return the values of most cities: (value, its label, number of cities)."""
    counted = sorted(found.facets(name).items(), key=lambda pair: -pair[1])
    return [
        (value, labels.get(value, value), number) for value, number in counted[:FACETS]
    ]
