"""The pages of the site."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("cities/", include("cities.urls")),
    path("shop/", include("shop.urls")),
    path("todo/", include("todo.urls")),
    path("sign-in/", auth.LoginView.as_view(template_name="login.html"), name="login"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("devices/", include("django_ormist.sessions.urls")),
]
