"""A small site whose views use the session."""

from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.http import HttpResponse, JsonResponse
from django.urls import include, path


def show(request):
    """Show the content of the session, and the user."""
    return JsonResponse(
        {"data": dict(request.session.items()), "user": request.user.get_username()}
    )


def put(request):
    """Put the query's names and values into the session."""
    request.session.update(request.GET.dict())
    return HttpResponse("put")


def untouched(request):
    """Respond without using the session."""
    return HttpResponse("untouched")


def sign_in(request):
    login(request, authenticate(request, username=request.GET["name"], password="x"))
    return HttpResponse("in")


def sign_out(request):
    logout(request)
    return HttpResponse("out")


def change_password(request):
    request.user.set_password("y")
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse("changed")


def fail(request):
    request.session["lost"] = True
    raise RuntimeError("A view that fails.")


async def aput(request):
    """Async variant of put()."""
    await request.session.aupdate(request.GET.dict())
    return HttpResponse("put")


async def ashow(request):
    """Async variant of show()."""
    user = await request.auser()
    data = dict(await request.session.aitems())
    return JsonResponse({"data": data, "user": user.get_username()})


urlpatterns = [
    path("show/", show),
    path("put/", put),
    path("untouched/", untouched),
    path("in/", sign_in),
    path("out/", sign_out),
    path("password/", change_password),
    path("fail/", fail),
    path("aput/", aput),
    path("ashow/", ashow),
    path("devices/", include("django_ormist.sessions.urls")),
]
