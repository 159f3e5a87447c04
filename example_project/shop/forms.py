"""The forms of the shop."""

from django import forms
from django.contrib.auth import get_user_model

POINTS = 50


class LinkForm(forms.Form):
    """Whom a sign-in link is for."""

    user = forms.ModelChoiceField(
        get_user_model().objects.order_by("username"),
        to_field_name="username",
        empty_label=None,
        label="For",
    )


class PlayForm(forms.Form):
    """The name on the leaderboard."""

    name = forms.CharField(label="Your name", max_length=30)


class CartsForm(forms.Form):
    """The number of carts to watch."""

    number = forms.IntegerField(label="Carts", min_value=1, max_value=50, initial=12)
