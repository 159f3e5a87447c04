"""ModelForm: validation, saving, and what others wrote meanwhile."""

import datetime
from decimal import Decimal

import pytest
from django import forms as django_forms
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.forms.models import model_to_dict

import django_ormist as ormist
from django_ormist import forms
from django_ormist.forms.errors import compute_version
from django_ormist.testing import assert_round_trips
from tests.forms.models import Colour, Drawing, SqlWagon, Wagon
from tests.models import City, Page, Plain

pytestmark = pytest.mark.servers("valkey91")


class WagonForm(forms.ModelForm):
    class Meta:
        model = Wagon
        fields = "__all__"


class SqlWagonForm(django_forms.ModelForm):
    class Meta:
        model = SqlWagon
        fields = "__all__"


class StrictForm(WagonForm):
    class Meta(WagonForm.Meta):
        strict = True


class DrawingForm(forms.ModelForm):
    """With attributes that the model does not declare."""

    title = django_forms.CharField()
    note = django_forms.CharField(required=False)
    expire = django_forms.DateTimeField(required=False)
    tags = django_forms.MultipleChoiceField(
        choices=[("a", "a"), ("b", "b")], required=False
    )

    class Meta:
        model = Drawing
        fields = ("colour", "views", "title", "expire", "tags")


VALID = {
    "number": "n1",
    "size": "3",
    "total": "1.50",
    "delivery": "shop",
    "priority": "2",
    "lines": "[]",
    "initial-lines": "[]",
}
FULL = {
    **VALID,
    "email": "ann@example.org",
    "weight": "1.5",
    "is_gift": "on",
    "is_paid": "true",
    "shop": " here ",
    "day": "2030-12-31",
    "at": "2030-12-31 23:59",
    "hour": "12:30",
    "duration": "1 02:00:00",
    "key": "0" * 32,
    "lines": '[{"book": 1}]',
}


@pytest.mark.parametrize(
    "data",
    [
        {},
        VALID,
        FULL,
        VALID | {"number": "123456789", "size": "-1", "total": "1.234"},
        VALID | {"size": "x", "priority": "3", "delivery": "air", "lines": "{"},
        VALID | {"email": "no", "day": "x", "at": "x", "hour": "x", "key": "x"},
        VALID | {"size": "101", "delivery": "post"},
        VALID | {"number": "0"},
        VALID | {"number": "taken"},
        VALID | {"number": "taken", "shop": "s", "priority": "1"},
        VALID | {"shop": "s", "priority": "1"},
        VALID | {"number": "a\0b", "weight": "nan", "duration": "x"},
    ],
)
def test_errors_and_cleaned_data_are_those_of_django(alias, sql_wagons, data):
    taken = {"number": "taken", "size": 1, "priority": 1, "shop": "s"}
    Wagon.objects.create(**taken)
    sql_wagons.objects.create(**taken)
    ours, theirs = WagonForm(data), SqlWagonForm(data)
    assert ours.errors.get_json_data() == theirs.errors.get_json_data()
    # An empty list is [] here, as its type demands.
    expected = theirs.cleaned_data | {"lines": theirs.cleaned_data.get("lines") or []}
    assert ours.cleaned_data == {n: expected[n] for n in theirs.cleaned_data}
    assert ours.changed_data == theirs.changed_data
    if ours.is_valid():
        mine, other = ours.save(), theirs.save()
        assert model_to_dict(Wagon.objects.get(mine.pk)) == {
            name: value
            for name, value in model_to_dict(SqlWagon.objects.get(pk=other.pk)).items()
            if name != "id"
        }


def test_a_form_of_an_object_shows_it_as_django(alias, sql_wagons):
    form = WagonForm(FULL)
    assert form.is_valid(), form.errors
    one, other = form.save(), SqlWagonForm(FULL).save()
    found = WagonForm(instance=Wagon.objects.get(one.pk))
    theirs = SqlWagonForm(instance=SqlWagon.objects.get(pk=other.pk))
    assert found.as_p() == theirs.as_p()
    sent = FULL | {"initial-lines": FULL["lines"]}
    assert WagonForm(sent, instance=Wagon.objects.get(one.pk)).changed_data == []


def test_a_new_object_takes_two_round_trips(alias):
    with assert_round_trips(1):
        form = WagonForm(VALID)
        assert form.is_valid()
    with assert_round_trips(1):
        wagon = form.save()
    assert Wagon.objects.get(wagon.pk).total == Decimal("1.50")
    assert wagon.secret == ""


def test_an_object_whose_unique_values_stay_is_validated_without_a_round_trip(alias):
    wagon = WagonForm(VALID).save()
    form = WagonForm(VALID | {"size": "5"}, instance=wagon)
    with assert_round_trips(0):
        assert form.is_valid()
    with assert_round_trips(1):
        form.save()


def test_changes_of_other_attributes_are_kept(alias):
    wagon = WagonForm(VALID).save()

    class SizeForm(forms.ModelForm):
        class Meta:
            model = Wagon
            fields = ["size"]

    form = SizeForm({"size": "7"}, instance=Wagon.objects.get(wagon.pk))
    Wagon.objects.find(pk=wagon.pk).update(total=9, undeclared="x")
    form.save()
    found = Wagon.objects.get(wagon.pk)
    assert (found.size, found.total, found.undeclared) == (7, Decimal(9), "x")


def test_what_a_form_does_not_show_is_kept(alias):
    """The microseconds of a moment, and a change since the object was loaded."""
    at = datetime.datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC)
    wagon = WagonForm(VALID).save()
    wagon.at = at
    wagon.save()
    data = VALID | {"size": "4", "at": "2030-01-02 03:04:05"}
    form = WagonForm(data, instance=Wagon.objects.get(wagon.pk))
    Wagon.objects.find(pk=wagon.pk).update(shop="of another")
    form.save()
    found = Wagon.objects.get(wagon.pk)
    assert (found.at, found.shop, found.size) == (at, "of another", 4)


def test_a_value_that_the_form_changes_is_saved(alias):
    class Upper(WagonForm):
        def clean_number(self):
            return self.cleaned_data["number"].upper()

        def clean(self):
            super().clean()
            self.cleaned_data["total"] = Decimal(8)

    wagon = WagonForm(VALID).save()
    Upper(VALID, instance=wagon).save()
    found = Wagon.objects.get(wagon.pk)
    assert (found.number, found.total) == ("N1", 8)


def test_defaults_of_fields_that_are_not_sent_stay(alias):
    sent = {"number": "n", "size": "1", "priority": "1", "delivery": "post"}
    form = forms.modelform_factory(
        Wagon, fields=["number", "size", "priority", "delivery", "lines", "is_gift"]
    )(sent)
    form.instance.lines = [{"kept": 1}]
    assert form.is_valid(), form.errors
    assert form.instance.lines == [{"kept": 1}]
    assert form.instance.total == 0


def test_an_object_that_is_gone_is_not_brought_back(alias):
    wagon = WagonForm(VALID).save()
    form = WagonForm(VALID | {"size": "9"}, instance=Wagon.objects.get(wagon.pk))
    wagon.delete()
    assert form.is_valid()
    with pytest.raises(Wagon.NotUpdated):
        form.save()
    assert form.non_field_errors() == [
        "This wagon was deleted or has expired. Your changes were not saved."
    ]
    assert not Wagon.objects.exists()


def test_a_value_that_is_taken_after_validation_is_an_error_of_the_form(alias):
    form = WagonForm(VALID)
    assert form.is_valid()
    WagonForm(VALID).save()
    with pytest.raises(ormist.IntegrityError):
        form.save()
    assert form.errors == {"number": ["Wagon with this Number already exists."]}
    with pytest.raises(ValueError, match="could not be created"):
        form.save()


def test_errors_of_several_attributes_are_not_those_of_a_field(alias):
    WagonForm(VALID | {"shop": "s"}).save()
    form = WagonForm(VALID | {"shop": "s", "number": "other"})
    message = "Wagon with this Shop and How urgent already exists."
    assert form.errors == {"__all__": [message]}


def test_a_constraint_that_is_partly_in_the_form_is_checked(alias):
    WagonForm(VALID | {"shop": "s"}).save()
    wagon = WagonForm(VALID | {"shop": "t", "number": "n2"}).save()
    shop_form = forms.modelform_factory(Wagon, fields=["shop"])
    form = shop_form({"shop": "s"}, instance=wagon)
    assert list(form.errors) == ["__all__"]
    size_form = forms.modelform_factory(Wagon, fields=["size"])
    with assert_round_trips(0):
        new = Wagon(number="n1", priority=1)
        assert size_form({"size": "1"}, instance=new).is_valid()


HOOKS = {
    "clean": lambda self: refuse(self, "clean"),
    "validate_constraints": lambda self, exclude=None: refuse(
        self, sorted({*exclude} - {"id"})
    ),
    "unique_error_message": lambda self, model, names: ormist.ValidationError(
        f"{model.__name__} {names}"
    ),
}


def refuse(wagon, why):
    raise ormist.ValidationError({"size": [f"{why} of {wagon.number}"]})


@pytest.mark.parametrize("names", [*([name] for name in HOOKS), [*HOOKS]])
def test_methods_of_a_model_that_django_calls_are_called(
    alias, sql_wagons, monkeypatch, names
):
    WagonForm(VALID).save()
    SqlWagonForm(VALID).save()
    for name in names:
        monkeypatch.setattr(Wagon, name, HOOKS[name], raising=False)
        monkeypatch.setattr(SqlWagon, name, HOOKS[name])
    ours, theirs = WagonForm(VALID).errors, SqlWagonForm(VALID).errors
    assert str(ours) == str(theirs).replace("SqlWagon", "Wagon")
    assert ("size" in ours) == (names != ["unique_error_message"])


@pytest.mark.parametrize("name", ["clean", "validate_constraints"])
def test_full_clean_calls_what_django_calls(alias, monkeypatch, name):
    for model in (Wagon, SqlWagon):
        monkeypatch.setattr(model, name, HOOKS[name], raising=False)
        wagon = model(number="n", size=1, priority=3)
        with pytest.raises(ormist.ValidationError) as raised:
            wagon.full_clean(exclude=["shop"], validate_unique=False)
        why = "clean" if name == "clean" else ["priority", "shop"]
        assert raised.value.message_dict["size"] == [f"{why} of n"]
    wagon = Wagon(number="n", size=1, priority=1)
    if name == "validate_constraints":
        wagon.full_clean(validate_constraints=False)
    wagon.save()


def test_messages_of_the_form_replace_those_of_the_model(alias):
    class Worded(WagonForm):
        class Meta(WagonForm.Meta):
            error_messages = {
                "number": {"unique": "Choose another one."},
                "__all__": {"zero": "Not %(unused)s zero."},
            }

    WagonForm(VALID).save()
    assert Worded(VALID).errors["number"] == ["Choose another one."]


def test_an_error_of_an_attribute_without_a_field_is_shown(alias):
    class Checked(Plain):
        def validate(self):
            raise ormist.ValidationError({"level": "Too low.", "__all__": "No."})

        class Meta:
            app_label = "tests"

    class CheckedForm(forms.ModelForm):
        name = django_forms.CharField()

        class Meta:
            model = Checked
            fields = ["name"]

    form = CheckedForm({"name": "x"})
    assert form.errors == {"__all__": ["level: Too low.", "No."]}


def test_an_error_at_the_save_is_shown(alias):
    form = WagonForm(VALID)
    assert form.is_valid()
    form.instance.secret = 5j
    with pytest.raises(ormist.ValidationError):
        form.save()
    assert list(form.errors) == ["__all__"]
    assert form.non_field_errors()[0].startswith("secret: ")


# ---------------------------------------------------------------- conflicts


def shown(form_class, instance):
    """Return the data that the form of an object shows."""
    form = form_class(instance=instance)
    shown = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in shown.items() if value is not None}


CONFLICT = (
    "Another user changed this wagon after this page was opened. Your changes were "
    "not saved. Open the page again to see the current values, and change them there."
)


def test_a_strict_form_refuses_an_object_that_was_changed(alias):
    wagon = WagonForm(VALID).save()
    data = shown(StrictForm, wagon) | {"size": "5"}
    assert '<input type="hidden" name="_version"' in StrictForm(instance=wagon).as_p()
    Wagon.objects.find(pk=wagon.pk).update(total=9)
    form = StrictForm(data, instance=Wagon.objects.get(wagon.pk))
    assert form.errors == {"__all__": [CONFLICT]}
    data = shown(StrictForm, Wagon.objects.get(wagon.pk)) | {"size": "5"}
    form = StrictForm(data, instance=Wagon.objects.get(wagon.pk))
    assert form.is_valid()
    assert "_version" not in form.cleaned_data
    form.save()
    assert Wagon.objects.get(wagon.pk).size == 5


def test_a_strict_form_refuses_a_change_after_validation(alias):
    wagon = WagonForm(VALID).save()
    form = StrictForm(shown(StrictForm, wagon) | {"size": "5"}, instance=wagon)
    assert form.is_valid()
    Wagon.objects.find(pk=wagon.pk).update(total=9)
    with pytest.raises(ormist.ConflictError):
        form.save()
    assert form.errors == {"__all__": [CONFLICT]}


def test_the_version_does_not_depend_on_counters(alias):
    drawing = Drawing.objects.create(title="x")
    before = compute_version(drawing)
    drawing.increment("views")
    assert compute_version(Drawing.objects.get(drawing.pk)) == before
    assert compute_version(Drawing()) == ""


def test_a_strict_form_without_a_version_is_refused(alias):
    wagon = WagonForm(VALID).save()
    assert StrictForm(VALID, instance=wagon).errors == {"__all__": [CONFLICT]}
    assert StrictForm(VALID | {"number": "new"}).is_valid()


DRAWN = {"colour": "b", "title": "T", "views": "0", "initial-views": "0"}


def test_a_counter_keeps_what_others_counted(alias):
    drawing = DrawingForm(DRAWN).save()
    drawing.increment("views", 5)
    form = DrawingForm(DRAWN, instance=Drawing.objects.get(drawing.pk))
    form.save()
    assert Drawing.objects.get(drawing.pk).views == 5
    for initial in ("0", "x", None):
        data = DRAWN | {"views": "3", "initial-views": initial}
        form = DrawingForm(data, instance=Drawing.objects.get(drawing.pk))
        assert form.errors == {"views": ["It is 5 now. Your changes were not saved."]}
    data = DRAWN | {"views": "3", "initial-views": "5"}
    DrawingForm(data, instance=Drawing.objects.get(drawing.pk)).save()
    data = DRAWN | {"views": "", "initial-views": "3"}
    DrawingForm(data, instance=Drawing.objects.get(drawing.pk)).save()
    assert Drawing.objects.get(drawing.pk).views == 0


# ---------------------------------------------------------------- undeclared names


def test_a_field_by_hand_is_saved_if_meta_names_it(alias):
    data = DRAWN | {"note": "n", "tags": ["b"], "expire": "2100-01-01"}
    drawing = DrawingForm(data).save()
    found = Drawing.objects.get(drawing.pk)
    assert (found.title, found.colour, found.own_tags) == ("T", Colour.DARK_BLUE, ["b"])
    assert "note" not in found.attrs
    assert found.expire.year == 2100
    form = DrawingForm(instance=found)
    assert form["title"].value() == "T"
    assert form["tags"].value() == ["b"]
    assert form["expire"].value().year == 2100
    assert DrawingForm(instance=found, initial={"title": "x"})["title"].value() == "x"


def test_a_value_that_cannot_be_set_is_an_error_of_its_field(alias):
    class Seconds(DrawingForm):
        expire = django_forms.FloatField()

    form = Seconds(DRAWN | {"expire": "1e300"})
    assert list(form.errors) == ["expire"]


@pytest.mark.parametrize(
    ("field", "text", "error"),
    [
        (django_forms.CharField(), "x", "“x” value must be an integer."),
        (django_forms.FloatField(), "1.5", "Enter a number."),  # as Django's
        (
            django_forms.IntegerField(),
            str(2**70),
            f"Ensure this value is less than or equal to {2**63 - 1}.",
        ),
    ],
)
def test_a_value_that_a_counter_cannot_have_is_an_error_of_its_field(
    alias, field, text, error
):
    form = type("Counted", (DrawingForm,), {"views": field})(DRAWN | {"views": text})
    assert form.errors == {"views": [error]}


def test_a_form_that_lacks_values_does_not_call_what_may_read_them(alias, monkeypatch):
    def compare(self, exclude=None):
        assert self.size > 0

    for name in ("clean", "validate", "validate_constraints"):
        monkeypatch.setattr(Wagon, name, compare, raising=False)
    assert WagonForm(VALID | {"size": "x"}).errors.keys() == {"size"}
    assert WagonForm(VALID).is_valid()


@pytest.mark.parametrize("has_zones", [True, False])
def test_an_expiration_time_that_was_not_changed_stays(alias, settings, has_zones):
    settings.USE_TZ = has_zones
    drawing = DrawingForm(DRAWN | {"expire": "2100-01-01 12:00"}).save()
    shown = DrawingForm(instance=drawing)["expire"].value()
    assert shown.strftime("%Y-%m-%d %H:%M") == "2100-01-01 12:00"
    sent = DRAWN | {"expire": shown.strftime("%Y-%m-%d %H:%M:%S"), "title": "U"}
    form = DrawingForm(sent, instance=Drawing.objects.get(drawing.pk))
    assert form.changed_data == ["title"]
    assert form.save().expire == drawing.expire
    form = DrawingForm(DRAWN | {"expire": "2001-01-01"}, instance=drawing)
    assert form.errors == {
        "expire": ["It is past: the object would expire at once. Delete it instead."]
    }
    form = DrawingForm(DRAWN | {"expire": ""}, instance=Drawing.objects.get(drawing.pk))
    assert form.save().expire is None


def test_the_id_can_be_a_field(alias):
    class CityForm(forms.ModelForm):
        id = django_forms.CharField(required=False)
        name = django_forms.CharField()

        class Meta:
            model = City
            fields = ["id", "name"]

    assert CityForm()["id"].value() is None
    assert CityForm({"id": "be", "name": "Bern"}).save().pk == "be"
    assert len(CityForm({"id": "", "name": "Biel"}).save().pk) == 16
    form = CityForm({"id": "be", "name": "x"})
    assert form.errors == {"id": ["City with this ID already exists."]}
    assert CityForm(instance=City.objects.get("be"))["id"].value() == "be"


def test_an_id_that_is_taken_is_not_replaced(alias):
    WagonForm(VALID, instance=Wagon(id="x")).save()
    form = WagonForm(VALID | {"number": "n2"}, instance=Wagon(id="x"))
    assert form.is_valid()
    with pytest.raises(ormist.IntegrityError):
        form.save()
    assert form.non_field_errors() == ["id: Wagon with this ID already exists."]


@pytest.mark.parametrize(
    ("model", "names", "message"),
    [
        (Page, ["site"], r"Unknown field\(s\) \(site\) specified for Page. Declare"),
        (Wagon, ["secret"], "non-editable"),
        (Wagon, ["save"], "Wagon defines 'save' itself"),
        (Wagon, ["_own"], "begins with '_'"),
    ],
)
def test_names_that_cannot_be_saved_are_refused(model, names, message):
    body = {"save": django_forms.CharField(), "_own": django_forms.CharField()}
    base = type("Base", (forms.ModelForm,), body)
    with pytest.raises(FieldError, match=message):
        forms.modelform_factory(model, base, fields=names)


def test_a_form_without_fields_is_refused_as_in_django():
    with pytest.raises(ImproperlyConfigured):
        forms.modelform_factory(Wagon)
    with pytest.raises(TypeError, match="cannot be a string"):
        forms.modelform_factory(Wagon, fields="size")


# ---------------------------------------------------------------- commit, async


def test_a_form_without_commit_saves_nothing(alias):
    form = WagonForm(VALID)
    wagon = form.save(commit=False)
    assert not Wagon.objects.exists()
    wagon.secret = "s"
    wagon.save()
    form.save_m2m()
    assert Wagon.objects.get(wagon.pk).secret == "s"


def test_a_form_is_validated_and_saved_by_sync_and_async_code(alias, ask):
    form = WagonForm(VALID)
    assert ask(form.is_valid)
    wagon = ask(form.save)
    assert ask(Wagon.objects.get, wagon.pk).size == 3
    form = WagonForm(VALID)
    assert not ask(form.is_valid)
    assert form.errors == {"number": ["Wagon with this Number already exists."]}
    assert not ask(WagonForm().is_valid)
    assert not ask(WagonForm({}).is_valid)
    late = WagonForm(VALID | {"number": "n2"})
    assert ask(late.is_valid)
    ask(ask(WagonForm(VALID | {"number": "n2"}).save, commit=False).save)
    with pytest.raises(ormist.IntegrityError):
        ask(late.save)
    assert list(late.errors) == ["number"]


def test_an_integrity_error_about_other_objects_is_shown(alias, monkeypatch):
    def refuse(self, **options):
        raise ormist.IntegrityError("Several objects.")

    form = WagonForm(VALID)
    assert form.is_valid()
    monkeypatch.setattr(Wagon, "save", refuse)
    with pytest.raises(ormist.IntegrityError):
        form.save()
    assert form.non_field_errors() == [
        "This wagon was not saved: one of its values is taken."
    ]


def test_a_form_that_does_not_clean_as_django_s_checks_no_unique_value(alias):
    class Unchecked(WagonForm):
        def clean(self):
            """Do not call that of the base, as in Django."""

    WagonForm(VALID).save()
    with assert_round_trips(0):
        assert Unchecked(VALID).is_valid()


def test_a_form_that_does_not_check_unique_values_can_be_awaited(alias, ask):
    class Unchecked(WagonForm):
        def clean(self):
            """Do not call that of the base, as in Django."""

    ask(WagonForm(VALID).save)
    assert ask(Unchecked(VALID).is_valid)
