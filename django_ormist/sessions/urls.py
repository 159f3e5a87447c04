"""URLs of the devices page.

Use: ``path("devices/", include("django_ormist.sessions.urls"))``.
"""

from django.urls import path

from . import views

app_name = "ormist_sessions"
urlpatterns = [
    path("", views.devices, name="devices"),
    path("end-others/", views.end_others, name="end_others"),
    path("<str:pk>/end/", views.end, name="end"),
]
