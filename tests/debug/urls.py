"""A site of one page, with the toolbar."""

from django.http import HttpResponse
from django.urls import include, path

from tests.models import Todo


def page(request):
    todo = Todo.objects.create("<b>", text="x")
    todo.save()
    return HttpResponse(f"<html><body>{Todo.objects.count()}</body></html>")


async def apage(request):
    await Todo.objects.acreate("x")
    return HttpResponse("<html><body></body></html>")


urlpatterns = [
    path("page/", page),
    path("apage/", apage),
    path("__debug__/", include("debug_toolbar.urls")),
]
