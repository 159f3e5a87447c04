"""Meta: meaning, inheritance and refused values."""

from collections import Counter
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.db import models
from django.utils.translation import gettext_lazy

import django_ormist as ormist
from django_ormist import crypto
from django_ormist.models import options, registry
from tests.models import Page, Plain, User


def declared(base=ormist.TaggedAttrsModel, **meta):
    return type(base)("Wrong", (base,), {"Meta": type("Meta", (), meta)})


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"ordred": ["a"]}, r"Wrong\.Meta\.ordred is no option"),
        ({"shards": 2}, "is no option of this version"),
        ({"ordering": ["a"]}, r"Wrong.Meta.ordering is no option .*\. Call order_by"),
        ({"unique_together": []}, r"Write unique, a list of names and of tuples"),
        ({"db_table": "t"}, r"Set model_name and app_label, and KEY_PREFIX in ORMIST"),
        ({"ordered": "age"}, r"Meta\.ordered must be a list of attribute names"),
        ({"ordered": ["a:b"]}, r"Meta\.ordered holds 'a:b': no ':'"),
        ({"ordered": ["v"], "counters": ["v"]}, r"ordered holds 'v', which is a count"),
        ({"ordered": ["a", "b" * 201]}, "more than 200 bytes of names"),
        ({"ordered": ["-age"]}, r"ordered holds '-age': .* Hold 'age'\."),
        ({"ordered": ["tags"]}, "ordered holds 'tags', which find.. and facets"),
        ({"index_attrs": ["tags"]}, "index_attrs holds 'tags', which find"),
        ({"unique": "email"}, r"Meta\.unique must be a list of attribute names"),
        ({"unique": [1]}, r"Meta\.unique must be a list of attribute names"),
        ({"unique": [()]}, r"Meta\.unique holds an empty tuple"),
        ({"unique": [("a", "b__c")]}, "unique holds 'b__c'"),
        ({"unique": ["pk"]}, "holds 'pk', which is no attribute"),
        ({"unique": [("a" * 101, "b" * 101)]}, "more than 200 bytes of names"),
        ({"counters": "views"}, r"Meta\.counters must be a list of attribute names"),
        ({"counters": [""]}, "list of attribute names"),
        ({"counters": 5}, r"Meta\.counters must be a list of attribute names, not 5"),
        ({"counters": None}, r"Meta\.counters must be a list of attribute names"),
        ({"counters": (name for name in [5])}, "list of attribute names"),
        ({"counters": ["\ud800"]}, r"Meta\.counters holds '.ud800': a lone surrogate"),
        ({"ordered": ["\ud800"]}, r"Meta\.ordered holds '.ud800': a lone surrogate"),
        ({"unique": [["a", "\udfff"]]}, "a lone surrogate"),
        ({"counters": ["save"]}, "holds 'save', which the class defines itself"),
        ({"counters": ["_packed"]}, "which the class defines itself"),
        ({"counters": ["objects"]}, "which the class defines itself"),
        ({"index_attrs": [["a"]]}, r"Meta\.index_attrs must be a list of"),
        ({"exclude_attrs": None}, r"Meta\.exclude_attrs must be a list of"),
        ({"counters": ["id"]}, "holds 'id', which is no attribute"),
        ({"index_attrs": ["a:b"]}, "no ':'"),
        ({"index_attrs": ["v"], "counters": ["v"]}, "which is a counter"),
        ({"index_attrs": ["a"], "exclude_attrs": ["b"]}, "Remove one of them"),
        ({"id_length": 4}, "an int of 8 or more"),
        ({"id_length": True}, "an int of 8 or more"),
        ({"expire": "1h"}, "seconds or a timedelta"),
        ({"expire": True}, "seconds or a timedelta"),
        ({"expire": 0}, "more than 0 seconds"),
        ({"expire": timedelta(-1)}, "more than 0 seconds"),
        ({"using": ""}, "must be a text"),
        ({"model_name": "a{b"}, "must hold none of"),
        ({"app_label": 5}, "must be a text"),
        ({"app_label": "shop\n"}, "must be printable"),
        ({"model_name": "\ud800"}, "must be printable"),
        ({"slot": "{shop}"}, r"Wrong.Meta.slot must hold none of { } : \."),
        ({"slot": "shop:eu"}, "must hold none of"),
        ({"slot": "shop.Cart"}, "must hold none of"),
        ({"slot": ""}, "must be a text, not ''"),
        ({"slot": 5}, "must be a text"),
        ({"slot": b"shop"}, "must be a text"),
        ({"slot": gettext_lazy("shop")}, "must be a text"),
        ({"slot": "sh\nop"}, "must be printable"),
        ({"slot": "\ud800"}, "must be printable"),
        ({"slot": "shop", "model_name": "o"}, "name 'o', which a kind of key has"),
    ],
)
def test_an_invalid_meta_is_refused_at_class_creation(meta, message):
    with pytest.raises(ormist.ImproperlyConfigured, match=message):
        declared(**meta)


def test_exclude_attrs_is_allowed_only_for_attribute_models():
    with pytest.raises(ormist.ImproperlyConfigured, match="index_attrs"):
        declared(ormist.TaggedModel, exclude_attrs=["a"])


def test_the_label_is_app_and_class_name():
    assert Page._meta.label == "tests.Page"
    assert Page._meta.app_label == "tests"
    assert (Page._meta.object_name, Page._meta.model_name) == ("Page", "page")
    assert User._meta.verbose_name_plural == "users"
    named = declared(app_label="shop", model_name="Thing")
    assert named._meta.label == "shop.Thing"
    assert registry.get_model("SHOP.thing") is named


def test_outside_any_app_the_label_is_the_class():
    loose = type(ormist.Model)("Loose", (ormist.Model,), {"__module__": "elsewhere"})
    assert (loose._meta.label, loose._meta.app_label) == ("Loose", None)


def test_meta_is_inherited_as_in_django():
    class Base(ormist.TaggedModel):
        class Meta:
            abstract = True
            counters = ["views"]
            expire = 60

    class Child(Base):
        pass

    class Own(Base):
        class Meta(Base.Meta):
            expire = 5

    assert not Child._meta.abstract
    assert Child._meta.counters == {"views"}
    assert (Child._meta.expire, Own._meta.expire) == (60, 5)
    assert Own._meta.counters == {"views"}
    with pytest.raises(TypeError, match="abstract"):
        Base()


def test_the_slot_is_inherited_and_can_be_left():
    class Base(ormist.TaggedModel):
        class Meta:
            abstract = True
            app_label = "shop"
            slot = "shop"

    class Child(Base):
        pass

    class Own(Child):
        class Meta(Base.Meta):
            slot = None

    assert (Child._meta.slot, Own._meta.slot) == ("shop", "")
    assert Child._meta.space("default").base.endswith(b":{shop}:shop.Child:")
    assert Own._meta.space("default").base.endswith(b":{shop.Own}:")
    assert Page._meta.slot == ""


def test_meta_is_inherited_over_several_levels_and_mixins():
    class Base(ormist.Model):
        class Meta:
            abstract = True
            expire = 60

    class Middle(Base):
        class Meta(Base.Meta):
            abstract = True
            counters = (name for name in ["views"])  # also of an iterator

    class Before(Middle, ormist.TaggedModel):
        pass

    class Behind(ormist.TaggedModel, Middle):
        pass

    class Grandchild(Behind):
        pass

    for model in (Before, Behind, Grandchild):
        assert (model._meta.expire, model._meta.counters) == (60, {"views"})
        assert not model._meta.abstract
        assert model("tag").views == 0


def test_a_class_may_take_keyword_arguments():
    class Named:
        def __init_subclass__(cls, /, named="", **arguments):
            super().__init_subclass__(**arguments)
            cls.named = named

    class Child(Named, ormist.Model, named="x"):
        pass

    assert (Child.named, Child._meta.label) == ("x", "tests.Child")


def test_each_model_has_its_own_errors_below_its_parents():
    class Child(Plain):
        pass

    for error in ("DoesNotExist", "MultipleObjectsReturned", "NotUpdated"):
        assert issubclass(getattr(Child, error), getattr(Plain, error))
        assert getattr(Plain, error) is not getattr(User, error)
    assert issubclass(Plain.DoesNotExist, ormist.ObjectDoesNotExist)
    assert issubclass(Plain.DoesNotExist, ormist.OrmistError)
    assert Plain.DoesNotExist.__qualname__ == "Plain.DoesNotExist"


def test_an_unknown_label_is_named_with_the_known_ones():
    with pytest.raises(LookupError, match=r"'shop\.Nothing'.*tests\.Page"):
        registry.get_model("shop.Nothing")


@pytest.mark.parametrize(
    ("alphabet", "share"), [(options._ALPHABET, 4), (VALID_KEY_CHARS, 7)]
)
def test_every_letter_has_the_same_chance(alphabet, share, monkeypatch):
    monkeypatch.setattr(crypto, "urandom", lambda _: bytes(range(256)))
    assert Counter(
        crypto.get_random_string(alphabet, share * len(alphabet))
    ) == dict.fromkeys(alphabet, share)


def test_random_characters_are_generated_until_the_id_is_long_enough(monkeypatch):
    draws = iter([b"\xff" * 24, b"\xff" * 20 + b"abcd", bytes(24)])
    monkeypatch.setattr(crypto, "urandom", lambda length: next(draws))
    assert Plain._meta.new_pk() == "JKLM" + "a" * 12


def test_using_may_be_a_function_that_is_called_each_time():
    aliases = ["one"]
    model = declared(using=lambda: aliases[-1])
    assert model._meta.using == "one"
    aliases.append("default")  # it stays callable: commands call it for every model
    assert model._meta.using == "default"


def test_a_django_field_in_the_class_is_refused():
    with pytest.raises(TypeError, match=r"Cart\.name is a field of django\.db\.models"):

        class Cart(ormist.Model):
            name = models.CharField(max_length=3)


@pytest.mark.parametrize(
    ("name", "meant"), [("price_gt", "price__gt"), ("ownr", "'owner'")]
)
def test_a_misspelt_lookup_gets_a_suggestion(name, meant):
    class Misspelt(ormist.TaggedModel):
        class Meta:
            index_attrs = ["owner"]
            ordered = ["price"]

    fix = f"If not, add '{name}' to Misspelt.Meta.index_attrs"
    with pytest.raises(ormist.FieldError, match=rf"Did you mean {meant}\? {fix}"):
        Misspelt.objects.find(**{name: 1})
    with pytest.raises(ormist.FieldError, match="Add it to Misspelt") as caught:
        Misspelt.objects.find(fingerprint=1)
    assert "Did you mean" not in str(caught.value)
