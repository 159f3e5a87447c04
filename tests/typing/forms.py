"""Types of forms and generic views, read by mypy and by pyright and never run."""

from typing import Any, assert_type

from django.http import HttpRequest, HttpResponse

import django_ormist as ormist
from django_ormist import forms, views


class Cart(ormist.Model):
    """A model with a declaration."""

    owner: int
    total: int = 0


class CartForm(forms.ModelForm[Cart]):
    """A form of one model."""

    near = forms.ModelChoiceField(Cart.objects.find(owner=1), required=False)
    others = forms.ModelMultipleChoiceField(Cart.objects)

    class Meta:
        model = Cart
        fields = ["owner", "total"]

    def clean_total(self) -> int:
        assert_type(self.instance, Cart)
        return self.instance.total


def a_form_is_of_its_model(request: HttpRequest, cart: Cart) -> None:
    form = CartForm(request.POST, request.FILES, instance=cart, initial={"total": 1})
    assert_type(form.instance.owner, int)
    assert_type(form.save(), Cart)
    assert_type(form.is_valid(), bool)
    assert_type(form.cleaned_data, dict[str, Any])


async def its_async_variants_are_too(form: CartForm) -> None:
    assert_type(await form.ais_valid(), bool)
    assert_type(await form.asave(commit=False), Cart)


def factories_return_classes_of_the_model() -> None:
    form = forms.modelform_factory(Cart, fields=["total"])()
    assert_type(form.save(), Cart)
    formset = forms.modelformset_factory(Cart, CartForm, extra=2)
    found = formset(queryset=Cart.objects.find(owner=1))
    assert_type(found.save(), list[Cart])
    assert_type(found.get_queryset(), ormist.Collection[Cart])
    assert_type(found.new_objects, list[Cart])


class CartCreate(views.CreateView[Cart]):
    """A view of one model."""

    model = Cart
    form_class = CartForm
    success_url = "/{id}/"

    def form_valid(self, form: CartForm) -> HttpResponse:
        form.instance.owner = 5
        return super().form_valid(form)


class CartList(views.ListView[Cart]):
    """A list of one model."""

    queryset = Cart.objects.find(owner=1)
    paginate_by = 20


class CartPage(views.DetailView[Cart]):
    """A page with one object."""

    queryset = Cart.objects


def views_are_of_their_model(page: CartPage, create: CartCreate) -> None:
    assert_type(page.object, Cart)
    assert_type(page.get_object().total, int)
    assert_type(create.get_form().instance, Cart)
    CartPage.as_view(template_name="cart.html")
    views.DeleteView[Cart].as_view(model=Cart, success_url="/")


def wrong_uses(form: CartForm, page: CartPage, other: ormist.Model) -> None:
    form.instance.owner = "5"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    form.save().total.upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    page.object.total.upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    CartForm(instance=other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
