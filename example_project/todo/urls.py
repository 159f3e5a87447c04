"""The pages of the to-do list."""

from django.urls import path

from . import views

app_name = "todo"
urlpatterns = [
    path("", views.items, name="list"),
    path("<str:pk>/done/", views.done, name="done"),
]
