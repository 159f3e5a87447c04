"""Products, carts, orders and sign-in links."""

from decimal import Decimal

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import UserPassesTestMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)
from site_config.queries import explain

import django_ormist as ormist
from django_ormist.views import UpdateView

from .catalogue import make_carts
from .forms import CartsForm, LinkForm, ProductForm
from .models import Cart, Order, Product, Shopper, SignInLink
from .visitors import get_visitor, make_visitor

PAGE = 20
SHOWN_CARTS = 50

require_page_or_form = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def products(request):
    """Show the products of a kind, up to a price; both are texts of the URL."""
    lookups = {
        name: request.GET[key]
        for name, key in (("kind", "kind"), ("price__lte", "most"))
        if request.GET.get(key)
    }
    try:
        found = Product.objects.find(**lookups).order_by("price")
    except ormist.InvalidLookupValue:  # a price that is no number, an unknown kind
        found = Product.objects.none()
    counts = Product.objects.all().facets("kind")
    return render(
        request,
        "shop/products.html",
        {
            "products": found[:100].list(),
            "kinds": [(kind, counts.get(kind.value, 0)) for kind in Product.Kind],
            "chosen": request.GET,
            "plan": explain(request, found),
        },
    )


class ProductUpdate(UserPassesTestMixin, SuccessMessageMixin, UpdateView):
    """Lets the staff change a product, unless somebody has changed it meanwhile."""

    model = Product
    form_class = ProductForm
    success_url = reverse_lazy("shop:products")
    success_message = "%(name)s is changed."

    def test_func(self):
        return self.request.user.is_staff


@require_page_or_form
def cart(request):
    """Show the visitor's cart, or add to it, or take from it."""
    if request.method == "POST":
        product = get_object_or_404(Product, pk=request.POST.get("product"))
        quantity = -1 if "less" in request.POST else 1
        Cart.add(make_visitor(request), product, quantity)
        return redirect("shop:cart")
    visitor = get_visitor(request)
    found = Cart.objects.get_or_none(visitor) if visitor else None
    return render(request, "shop/cart.html", {"cart": found})


@require_POST
@login_required
def check_out(request):
    """Turn the cart into an order, unless it has expired or was changed."""
    visitor = make_visitor(request)
    found = Cart.objects.get_or_none(visitor)
    try:
        if found is None or not found.lines:
            raise ormist.ConflictError
        order = found.check_out(request.user)
    except ormist.ConflictError:
        messages.error(request, "The cart has expired, or was changed. Look again.")
        return redirect("shop:cart")
    Shopper.add_points(visitor, request.user.get_username(), int(order.total))
    messages.success(request, f"Order {order} is placed. It waits for the warehouse.")
    return redirect("shop:order", order.id)


@require_page_or_form
def carts(request):
    """Show all carts, those first that expire first, or make some to watch."""
    form = CartsForm(request.POST or None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        Cart.objects.bulk_create(make_carts(form.cleaned_data["number"]))
        return redirect("shop:carts")
    found = Cart.objects.order_by("expire")
    return render(
        request,
        "shop/carts.html",
        {
            "form": form,
            "carts": found[:SHOWN_CARTS].list(),
            "count": found.count(),
            "total": found.aggregate(Sum("total"))["total__sum"] or Decimal(0),
            "plan": explain(request, found),
        },
    )


@require_safe
@login_required
def orders(request):
    """Show a page of the user's orders, or of everybody's to the staff."""
    shows_all = request.user.is_staff and "all" in request.GET
    found = Order.objects.select_related("user").order_by("-placed")
    if not shows_all:
        found = found.find(user=request.user)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "shop/orders.html",
        {
            "page": page,
            "orders": page.object_list.list(),
            "shows_all": shows_all,
            "plan": explain(request, found),
        },
    )


@require_safe
@login_required
def order(request, pk):
    """Show an order to its user and to the staff."""
    found = get_object_or_404(Order, pk=pk)
    if found.user_id != request.user.pk and not request.user.is_staff:
        raise Http404
    return render(request, "shop/order.html", {"order": found})


@require_page_or_form
def links(request):
    """Create a sign-in link and show it. A real site sends it by e-mail."""
    form = LinkForm(request.POST or None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        request.session["token"] = SignInLink.issue(form.cleaned_data["user"])
        return redirect("shop:links")
    token = request.session.get("token")
    return render(
        request,
        "shop/links.html",
        {
            "form": form,
            "token": token,
            "link": SignInLink.find_link(token) if token else None,
        },
    )


@require_page_or_form
def link(request, token):
    """Ask for a click, because mail scanners open links, and then sign in once."""
    if request.method != "POST":
        return render(request, "shop/link.html", {"link": SignInLink.find_link(token)})
    user = SignInLink.redeem(token)
    if user is None:
        return render(request, "shop/link.html", {"link": None}, status=403)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    messages.success(request, f"You are signed in as {user}. The link is used up.")
    return redirect("shop:links")
