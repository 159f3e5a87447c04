"""The pages of the cities."""

from django.urls import path

from . import search, views

app_name = "cities"
urlpatterns = [
    path("", views.cities, name="list"),
    path("search/", search.search, name="search"),
    path("countries/", views.countries, name="countries"),
    path("countries/<str:code>.json", views.country_json, name="country_json"),
    path("<str:pk>/", views.city, name="city"),
]
