"""The forms of the shop."""

from django import forms
from django.contrib.auth import get_user_model

from django_ormist.forms import ModelForm

from .models import Product, Shopper

POINTS = 50


class LinkForm(forms.Form):
    """Whom a sign-in link is for."""

    user = forms.ModelChoiceField(
        get_user_model().objects.order_by("username"),
        to_field_name="username",
        empty_label=None,
        label="For",
    )


class PlayForm(ModelForm):
    """The name on the leaderboard."""

    class Meta:
        model = Shopper
        fields = ["name"]
        labels = {"name": "Your name"}


class ProductForm(ModelForm):
    """A product as the model declares it. It refuses to change another version."""

    class Meta:
        model = Product
        fields = ["name", "price", "kind", "text"]
        strict = True


class CartsForm(forms.Form):
    """The number of carts to watch."""

    number = forms.IntegerField(label="Carts", min_value=1, max_value=50, initial=12)
