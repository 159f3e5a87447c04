"""The to-do list."""

from collections import Counter
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from site_config.queries import explain

from .forms import TodoForm
from .models import TodoItem

PAGE = 20
NEWEST = 500


@require_http_methods(["GET", "HEAD", "POST"])
def items(request):
    """Show the items with every tag of the URL, newest first, and a form."""
    tags = list(filter(None, request.GET.getlist("tag")))
    form = TodoForm(
        request.POST or None, label_suffix="", initial={"tags": " ".join(tags)}
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("todo:list")
    found = TodoItem.objects.find(*tags).reverse()
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "todo/list.html",
        {
            "form": form,
            "page": page,
            "items": page.object_list.list(),
            "tags": [
                (tag, _link(each for each in tags if each != tag)) for tag in tags
            ],
            "more_tags": [
                (tag, number, _link([*tags, tag]))
                for tag, number in _tags_of(found[:NEWEST].list())
                if tag not in tags
            ],
            "plan": explain(request, found),
        },
    )


@require_POST
def done(request, pk):
    """Delete the item unless it has expired, and return to the same tags."""
    TodoItem.objects.find(pk=pk).delete()
    return redirect(reverse("todo:list") + _link(request.POST.getlist("tag")))


def _tags_of(some):
    """Return ``[(tag, number of items)]``, most first."""
    return Counter(tag for item in some for tag in item.tags).most_common()


def _link(tags):
    """Return the query string of these tags."""
    return f"?{urlencode([('tag', tag) for tag in tags])}"
