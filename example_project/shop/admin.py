"""The shop in the admin."""

from django.contrib import admin

from django_ormist import admin as ormist_admin
from shop.models import Cart, Job, Order, Product, Shopper, SignInLink


@ormist_admin.register(Product)
class ProductAdmin(ormist_admin.OrmistAdmin):
    list_display = ["name", "kind", "price"]
    list_filter = ["kind", "price"]
    ordering = ["price"]


@ormist_admin.register(Cart)
class CartAdmin(ormist_admin.OrmistAdmin):
    list_display = ["id", "articles", "total", "expire"]
    list_filter = ["total"]
    ordering = ["expire"]

    @admin.display(description="articles")
    def articles(self, obj):
        return str(obj)


@ormist_admin.register(Order)
class OrderAdmin(ormist_admin.OrmistAdmin):
    list_display = ["id", "user_id", "state", "total", "placed"]
    list_filter = ["state", "total"]
    search_fields = ["id"]
    ordering = ["-placed"]


@ormist_admin.register(Job)
class JobAdmin(ormist_admin.OrmistAdmin):
    list_display = ["text", "state", "worker", "lease_ends"]
    list_filter = ["state"]


@ormist_admin.register(Shopper)
class ShopperAdmin(ormist_admin.OrmistAdmin):
    list_display = ["name", "points"]
    list_filter = ["points"]
    ordering = ["-points"]


@ormist_admin.register(SignInLink)
class SignInLinkAdmin(ormist_admin.OrmistAdmin):
    """The ids are digests of the tokens: they cannot be used to sign in."""

    list_display = ["id", "user_id", "expire"]
