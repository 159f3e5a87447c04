"""The form fields of declared attributes: those of Django's models."""

import datetime
import json
from decimal import Decimal
from typing import Annotated

import pytest
from django import forms as django_forms
from django.core.exceptions import FieldError
from django.core.validators import URLValidator, validate_slug

import django_ormist as ormist
from django_ormist import forms
from tests.forms.models import Colour, Drawing, Place, SqlWagon, Wagon


class WagonForm(forms.ModelForm):
    class Meta:
        model = Wagon
        fields = "__all__"


class SqlWagonForm(django_forms.ModelForm):
    class Meta:
        model = SqlWagon
        fields = "__all__"


class DrawingForm(forms.ModelForm):
    class Meta:
        model = Drawing
        exclude = ("raw",)


def clean(field, value):
    return DrawingForm.base_fields[field].clean(value)


def test_the_fields_are_those_of_django_s_models():
    ours, theirs = WagonForm(), SqlWagonForm()
    assert list(ours.fields) == list(theirs.fields)
    for name in theirs.fields:
        one, other = ours.fields[name], theirs.fields[name]
        assert isinstance(one, type(other)), name
        for option in ("required", "label", "help_text", "show_hidden_initial"):
            assert getattr(one, option) == getattr(other, option), (name, option)
        assert str(ours[name]) == str(theirs[name])


def test_django_s_own_form_has_the_same_fields():
    class DjangoForm(django_forms.ModelForm):
        class Meta:
            model = Wagon
            fields = "__all__"

    assert DjangoForm().as_div() == WagonForm().as_div()


def test_a_validator_of_a_text_chooses_its_field():
    class Link(ormist.Model):
        url: Annotated[str, URLValidator()]
        slug: Annotated[str, validate_slug]

        class Meta:
            app_label = "tests"

    fields = Link._meta.fields
    assert [type(each.formfield()) for each in fields] == [
        django_forms.URLField,
        django_forms.SlugField,
    ]


def test_a_choice_is_cleaned_to_the_member():
    assert clean("colour", "b") is Colour.DARK_BLUE
    assert clean("colours", ["b", "r"]) == {Colour.RED, Colour.DARK_BLUE}
    assert clean("colours", []) == set()
    shown = str(DrawingForm(instance=Drawing(colour=Colour.DARK_BLUE))["colour"])
    assert '<option value="b" selected>Dark blue</option>' in shown
    shown = str(DrawingForm(instance=Drawing(colours={Colour.RED}))["colours"])
    assert '<option value="r" selected>Red</option>' in shown
    assert shown.count("selected") == 1


def test_an_optional_choice_may_be_left_empty():
    class Painted(ormist.Model):
        colour: Colour | None = None
        tones: list[Colour] = ormist.field(default_factory=list)

        class Meta:
            app_label = "tests"

    field = Painted._meta.get_field("colour").formfield()
    assert field.clean("") is None
    assert field.choices[0][0] == ""
    tones = Painted._meta.get_field("tones")
    field = tones.formfield(form_class=django_forms.TypedMultipleChoiceField)
    assert type(field) is django_forms.TypedMultipleChoiceField
    assert field.clean(["r"]) == [Colour.RED]


@pytest.mark.parametrize("value", [["x"], "r"])
def test_other_choices_are_refused(value):
    with pytest.raises(ormist.ValidationError):
        clean("colours", value)


def test_a_dataclass_is_edited_as_json():
    assert clean("where", '{"street": "Main", "number": 5}') == Place("Main", 5)
    assert clean("where", "") is clean("where", "null") is clean("where", None) is None
    form = DrawingForm(instance=Drawing(where=Place("Süd")))
    assert json.loads(form["where"].value()) == {"street": "Süd", "number": 1}
    surrogate = '{"street": "\\ud800"}'
    for wrong in ("{", "[1]", '{"number": 1}', "[" * 10**5, "1" * 5000, surrogate):
        with pytest.raises(ormist.ValidationError):
            clean("where", wrong)


def test_wrong_json_is_shown_as_it_was_sent():
    form = DrawingForm({"where": '{"street" 1}'})
    assert form.errors["where"] == ["Enter a valid JSON."]
    assert "{&quot;street&quot; 1}" in str(form["where"])


def test_the_items_of_a_list_are_converted():
    assert clean("sizes", '["1.50", 2]') == (Decimal("1.50"), Decimal(2))
    assert clean("sizes", " ") == ()
    with pytest.raises(ormist.ValidationError, match="Item 1"):
        clean("sizes", '[1, "x"]')


def test_a_required_list_needs_an_item():
    class Full(ormist.Model):
        items: set[int]

        class Meta:
            app_label = "tests"

    field = Full._meta.get_field("items").formfield()
    assert field.clean("[1, 2]") == {1, 2}
    for empty in ("", "[]"):
        with pytest.raises(ormist.ValidationError, match="required"):
            field.clean(empty)


def test_a_line_of_text_is_converted_to_the_first_type_that_fits():
    assert clean("either", "5") == 5
    assert clean("either", " five ") == "five"
    assert clean("either", "") is None
    moment = datetime.datetime(2030, 1, 2, 3, tzinfo=datetime.UTC)
    assert clean("moment", moment.isoformat()) == moment
    assert clean("moment", "") == ""
    form = DrawingForm(instance=Drawing(moment=moment, either=7))
    assert 'value="2030-01-02T03:00:00+00:00"' in str(form["moment"])


def test_a_text_that_fits_no_type_is_refused():
    class Either(ormist.Model):
        it: int | datetime.date

        class Meta:
            app_label = "tests"

    with pytest.raises(ormist.ValidationError, match="none of these types"):
        Either._meta.get_field("it").formfield().clean("x")


def test_a_value_that_its_text_would_change_is_read_only():
    stored = {"total": Decimal("1.5"), "raw": b"\xff"}
    drawing = Drawing(anything=stored)
    form = DrawingForm({"anything": "5", "colour": "r"}, instance=drawing)
    assert form.fields["anything"].disabled
    assert form.is_valid(), form.errors
    assert form.instance.anything == stored
    assert "disabled" in str(form["anything"])
    assert not DrawingForm(instance=Drawing(anything=[1])).fields["anything"].disabled
    assert not DrawingForm.base_fields["anything"].disabled


def test_bytes_have_no_form_field():
    assert Drawing._meta.get_field("raw").formfield() is None
    with pytest.raises(FieldError, match="DrawForm.Meta.fields has 'raw', whose type"):

        class DrawForm(forms.ModelForm):
            class Meta:
                model = Drawing
                fields = ("raw",)


def test_options_of_meta_replace_those_of_the_declaration():
    class Changed(forms.ModelForm):
        class Meta:
            model = Wagon
            fields = ("size", "number", "at", "lines", "weight", "shop", "email")
            widgets = {"number": django_forms.Textarea}
            labels = {"number": "No."}
            help_texts = {"size": "Pieces"}
            error_messages = {"size": {"required": "How many?"}}
            field_classes = {
                "at": django_forms.SplitDateTimeField,
                "lines": django_forms.CharField,
                "shop": django_forms.ChoiceField,
                "email": django_forms.SlugField,
            }
            localized_fields = ("weight",)

    form = Changed({})
    assert tuple(form.fields) == Changed.Meta.fields
    assert isinstance(form.fields["number"].widget, django_forms.Textarea)
    assert form.fields["number"].label == "No."
    assert form.fields["size"].help_text == "Pieces"
    assert form.errors["size"] == ["How many?"]
    assert type(form.fields["at"]) is django_forms.SplitDateTimeField
    assert type(form.fields["lines"]) is django_forms.CharField
    assert type(form.fields["shop"]) is django_forms.ChoiceField
    assert type(form.fields["email"]) is django_forms.SlugField
    assert form.fields["email"].max_length == 254
    assert form.fields["weight"].localize


def test_a_callback_makes_the_fields():
    def build(field, **options):
        return django_forms.SlugField(required=False, **options)

    form = forms.modelform_factory(Wagon, fields=["shop"], formfield_callback=build)
    assert type(form.base_fields["shop"]) is django_forms.SlugField
    assert type(form).__name__ == "ModelFormMetaclass"
    assert form.__name__ == "WagonForm"


def test_a_counter_shows_the_value_that_it_had():
    field = DrawingForm.base_fields["views"]
    assert (field.initial, field.required, field.max_value) == (0, False, 2**63 - 1)
    assert 'name="initial-views"' in str(DrawingForm()["views"])


def test_a_value_is_changed_if_its_text_is():
    drawing = Drawing(either=7, colours={Colour.RED}, sizes=(Decimal(1),))
    shown = {"colour": "r", "colours": ["r"], "either": "7", "sizes": "[1]"}
    shown["initial-colours"] = ["r"]

    def changed(**data):
        return DrawingForm(shown | data, instance=drawing).changed_data

    assert changed() == []
    assert changed(either=" 7 ") == []
    assert changed(either="8") == ["either"]
    assert changed(either=None) == ["either"]
    assert changed(colours=["r", "b"]) == ["colours"]
    assert changed(sizes="[2]") == changed(sizes="{") == ["sizes"]


def test_a_disabled_field_does_not_change():
    for name in ("either", "sizes", "where"):
        field = Drawing._meta.get_field(name).formfield(disabled=True)
        assert not field.has_changed(None, "[1]")


def test_what_json_cannot_express_is_shown_as_python():
    field = DrawingForm.base_fields["anything"]
    assert field.prepare_value({1, 2}) == "[1, 2]"
    assert field.prepare_value([b"x"]) == "[b'x']"
    assert field.prepare_value([Decimal("1.5")]) == '["1.5"]'
    for value in ({1, 2}, [b"x"], [Decimal("1.5")], datetime.date(2030, 1, 2)):
        assert not field.can_edit(value)
    assert field.can_edit([1, "x", {"a": None}])


def test_a_dataclass_that_cannot_be_compared_is_read_only():
    class Odd:
        def __eq__(self, other):
            raise TypeError("Not comparable.")

        def __hash__(self):
            return 0

    field = DrawingForm.base_fields["anything"]
    field.make_empty, before = Odd, field.make_empty
    try:
        assert not field.can_edit(None)
    finally:
        field.make_empty = before
