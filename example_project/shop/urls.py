"""The pages of the shop."""

from django.urls import path

from . import views, warehouse

app_name = "shop"
urlpatterns = [
    path("", views.products, name="products"),
    path("products/<str:pk>/", views.ProductUpdate.as_view(), name="product"),
    path("cart/", views.cart, name="cart"),
    path("cart/check-out/", views.check_out, name="check_out"),
    path("carts/", views.carts, name="carts"),
    path("orders/", views.orders, name="orders"),
    path("orders/<str:pk>/", views.order, name="order"),
    path("links/", views.links, name="links"),
    path("links/<str:token>/", views.link, name="link"),
    path("jobs/", warehouse.jobs, name="jobs"),
    path("leaderboard/", warehouse.leaderboard, name="leaderboard"),
]
