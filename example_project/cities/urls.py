"""The pages of the cities."""

from django.urls import path

from . import views

app_name = "cities"
urlpatterns = [
    path("", views.cities, name="list"),
    path("countries/", views.countries, name="countries"),
    path("countries/<str:code>.json", views.country_json, name="country_json"),
    path("<str:pk>/", views.city, name="city"),
]
