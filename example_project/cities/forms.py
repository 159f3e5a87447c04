"""The form of the search page."""

from django import forms

ORDERS = {
    "-population": "largest first",
    "population": "smallest first",
    "name": "by name",
    "country,-population": "by country, then largest",
    "?": "at random",
}


class SearchForm(forms.Form):
    """The conditions of a search; all of them are optional."""

    name = forms.CharField(label="Name begins with", max_length=100, required=False)
    country = forms.ChoiceField(label="Country", required=False)
    timezone = forms.CharField(
        label="Time zone",
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"list": "timezones", "autocomplete": "off"}),
    )
    at_least = forms.IntegerField(label="People, at least", min_value=0, required=False)
    at_most = forms.IntegerField(label="People, at most", min_value=0, required=False)
    order = forms.ChoiceField(label="Order", choices=ORDERS.items(), required=False)

    def __init__(self, data, countries):
        super().__init__(data, use_required_attribute=False)
        names = [(each.id, each.name) for each in countries]
        self.fields["country"].choices = [("", "any"), *names]

    def clean(self):
        least, most = (self.cleaned_data.get(name) for name in ("at_least", "at_most"))
        if least is not None and most is not None and least > most:
            self.add_error("at_most", f"is less than {least:,}, the least")

    def lookups(self):
        """Return the lookups for find(); the data must be valid."""
        lookups = {
            "name__startswith": self.cleaned_data["name"],
            "country": self.cleaned_data["country"],
            "timezone": self.cleaned_data["timezone"],
            "population__gte": self.cleaned_data["at_least"],
            "population__lte": self.cleaned_data["at_most"],
        }
        return {
            name: value for name, value in lookups.items() if value not in ("", None)
        }

    def order_by(self):
        """Return the argument of order_by(); the data must be valid."""
        return (self.cleaned_data["order"] or "-population").split(",")
