"""The pages of the cities."""

from django.core.paginator import Paginator
from django.http import Http404, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from site_config.queries import explain

from .models import City, Country

PAGE = 50
FILTERS = ("country", "area", "timezone")


@require_safe
def cities(request):
    """Show a page of the cities that match all filters in the URL.

    country, area, timezone: equal values. tag=million, order=smallest.
    """
    chosen = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    tags = ["million"] if request.GET.get("tag") == "million" else []
    is_reversed = request.GET.get("order") == "smallest"
    found = City.objects.find(*tags, **chosen)
    if is_reversed:
        found = found.reverse()
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    shown = page.object_list.list()
    codes = {each.country for each in shown} | {chosen.get("country")} - {None}
    by_code = Country.objects.in_bulk(codes)
    return render(
        request,
        "cities/list.html",
        {
            "page": page,
            "rows": [(each, by_code.get(each.country)) for each in shown],
            "chosen": [
                (name, _label(name, value, by_code), _without(request, name))
                for name, value in chosen.items()
            ],
            "country": by_code.get(chosen.get("country")),
            "is_country_only": list(chosen) == ["country"],
            "is_million": bool(tags),
            "is_reversed": is_reversed,
            "plan": explain(request, found),
        },
    )


@require_safe
def city(request, pk):
    """Show one city. Concurrent views are counted on the server."""
    found = get_object_or_404(City, pk=pk)
    found.increment("views")
    country = Country.objects.get_or_none(found.country)
    near = City.objects.find(area=found.area)[:9].list() if found.area else []
    return render(
        request,
        "cities/city.html",
        {
            "city": found,
            "country": country,
            "area": _label("area", found.area or "", {found.country: country}),
            "near": [each for each in near if each != found][:8],
        },
    )


@require_safe
def countries(request):
    """Show all countries, by continent."""
    by_continent = {}
    for each in Country.objects.all():
        by_continent.setdefault(each.continent, []).append(each)
    return render(
        request,
        "cities/countries.html",
        {
            "continents": sorted(by_continent.items()),
        },
    )


async def country_json(request, code):
    """Return a page of a country's cities as JSON, without blocking the event loop."""
    try:
        number = int(request.GET.get("page", 1))
    except ValueError:
        return JsonResponse({"error": "page is not a number"}, status=400)
    found = City.objects.find(country=code)
    count = await found.acount()
    pages = -(-count // PAGE)
    if not 1 <= number <= pages:
        raise Http404(f"{code} has {pages} pages of cities.")
    start = (number - 1) * PAGE
    return JsonResponse(
        {
            "country": code,
            "count": count,
            "page": number,
            "pages": pages,
            "cities": [
                {"id": each.id, **each.attrs}
                for each in await found[start : start + PAGE].alist()
            ],
        }
    )


def _label(name, value, by_code):
    """Return the value of a filter in words."""
    code = value if name == "country" else value.partition(".")[0]
    country = by_code.get(code)
    if name == "timezone" or country is None:
        return value
    if name == "country":
        return country.name
    return country.areas.get(value, {}).get("name", value)


def _without(request, name):
    """Return the query string of the first page without the filter *name*."""
    query = request.GET.copy()
    query.pop(name, None)
    query.pop("page", None)
    return f"?{query.urlencode()}"
