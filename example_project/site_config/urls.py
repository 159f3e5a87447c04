"""The pages of the site."""

from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("cities/", include("cities.urls")),
    path("todo/", include("todo.urls")),
]
