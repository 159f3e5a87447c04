"""Declarations in a class: which are refused, inherited and resolved later."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypedDict

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models as django_models

import django_ormist as ormist

if TYPE_CHECKING:
    from elsewhere import Unknown


class Branch(ormist.Model):
    """Its annotations are texts, of names that are defined later."""

    leaf: Leaf
    leaves: list[Leaf] = ormist.field(default_factory=list)
    kind: ClassVar[str] = "tree"
    LIMIT: Final = 5
    others: ormist.Manager[Branch] = ormist.Manager()
    _own: int = 0

    class Meta:
        app_label = "tests"


@dataclass
class Leaf:
    size: int = 1
    under: list[Leaf] = field(default_factory=list)


def declare(annotations=None, /, **body):
    meta = body.pop("Meta", {})
    body["Meta"] = type("Meta", (), {"app_label": "tests", **meta})
    body["__annotations__"] = annotations or {}
    base = ormist.Model
    return type(base)("Thing", (base,), {"__module__": __name__, **body})


def test_annotations_are_resolved_on_first_use():
    assert [each.name for each in Branch._meta.fields] == ["leaf", "leaves"]
    branch = Branch(leaf=Leaf(2, [Leaf(3)]))
    assert branch.attrs["leaf"] == {"size": 2, "under": [{"size": 3, "under": []}]}
    assert branch.leaf.under == [Leaf(3)]
    assert (Branch.kind, Branch.LIMIT, branch._own) == ("tree", 5, 0)


def test_a_model_keeps_one_manager_for_each_name_also_for_inherited_ones():
    class Parent(ormist.Model):
        early: ClassVar[Any] = ormist.Manager()
        hidden: ClassVar[Any] = ormist.Manager()

        class Meta:
            app_label = "tests"

    class Child(Parent):
        late: ClassVar[Any] = ormist.Manager()
        hidden: ClassVar[Any] = None

        class Meta:
            app_label = "tests"

    for model in (Parent, Child):
        assert model.objects is model.objects
        assert model.early is model.early
        assert model.objects.model is model.early.model is model
    assert Child.hidden is None
    assert Parent._default_manager is Parent.early
    assert Child._default_manager is Child.late


def test_a_class_in_a_function_may_name_others_in_it():
    @dataclass
    class Local:
        size: int

    class Holder(ormist.Model):
        local: Local | None = None

        class Meta:
            app_label = "tests"

    assert Holder(local=Local(1)).local == Local(1)


def test_a_name_that_is_not_defined_is_told_on_first_use():
    class Lost(ormist.Model):
        owner: Unknown

        class Meta:
            app_label = "tests"

    with pytest.raises(TypeError, match="names 'Unknown', which tests.unit.test_decl"):
        Lost(owner=1)


REFUSED = {
    "unstorable": ({"path": Path}, {}, r"Thing.path: Path is not a storable type"),
    "later": ({"x": "Path | None"}, {}, r"Thing.x: Path is not a storable type"),
    "id": ({"id": str}, {}, "Thing.id is not declared: every object has 'id'"),
    "expire": ({"expire": int}, {}, "every object has 'expire'"),
    "save": ({"save": bool}, {}, "Model defines 'save' itself"),
    "attrs": ({"attrs": dict}, {}, "Model defines 'attrs' itself"),
    "lookup": ({"a__b": int}, {}, "'__' begins a lookup"),
    "list": ({"x": list}, {"x": []}, r"field\(default_factory=list\)"),
    "dict": ({"x": Any}, {"x": {}}, r"field\(default_factory=dict\)"),
    "function": ({"x": str}, {"x": str.lower}, None),
    "default": ({"x": int}, {"x": "a"}, "Thing.x: its default 'a' is no int"),
    "null": ({"x": int}, {"x": None}, r"default None is no int. Allow it: int \| None"),
    "unannotated": ({}, {"x": ormist.field(default=1)}, "Thing.x has no type"),
    "callable": (
        {"x": str},
        {"x": ormist.field(default=lambda: "a")},
        r"is a function. Pass ormist.field\(default_factory",
    ),
}


@pytest.mark.parametrize("case", [name for name in REFUSED if name != "function"])
def test_a_wrong_declaration_is_refused_when_the_class_is_created(case):
    annotations, body, message = REFUSED[case]
    with pytest.raises(TypeError, match=message):
        declare(annotations, **body)


def test_a_field_of_django_is_refused():
    with pytest.raises(TypeError, match="by an annotation, as x: int = 0"):
        declare(x=django_models.IntegerField())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 3}, r"'max_length'. Write an annotation: Annotated\[str, Max"),
        ({"index": True}, "takes no argument 'index'.$"),
        (
            {"choices": ["a", "b"]},
            "pairs of a value and a label, not 'a'",
        ),
        ({"choices": 5}, "pairs of a value and a label, not 5"),
        ({"validators": MaxLengthValidator(3)}, "validators is a list of functions"),
        ({"validators": 5}, "validators is a list of functions, not 5"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_fix(options, message):
    with pytest.raises(TypeError, match=message):
        ormist.field(**options)


def test_a_default_and_a_factory_exclude_each_other():
    with pytest.raises(TypeError, match="default or default_factory, not both"):
        ormist.field(default=1, default_factory=int)


COUNTERS = {
    "a counter is an int, not str": ({"n": str}, {}),
    "a counter is an int, not int | None": ({"n": int | None}, {}),
    "begins at 0": ({"n": int}, {"n": 5}),
    "no choices": ({"n": int}, {"n": ormist.field(choices=[(0, "a")])}),
    "no other bounds": ({"n": Annotated[int, RegexValidator("a")]}, {}),
}


@pytest.mark.parametrize("message", COUNTERS)
def test_a_counter_has_a_declaration_that_the_server_can_keep(message):
    with pytest.raises(TypeError, match=message.replace("|", r"\|")):
        declare(COUNTERS[message][0], Meta={"counters": ["n"]}, **COUNTERS[message][1])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("index_attrs", ["size"]),
        ("ordered", ["size"]),
        ("unique", [("code", "size")]),
    ],
)
def test_meta_is_checked_where_only_declared_names_are_allowed(option, value):
    meta = {"declared_only": True, option: value}
    with pytest.raises(ImproperlyConfigured, match=f"{option} holds 'size', which is"):
        declare({"code": int}, Meta=meta)
    declare({"code": int, "size": int}, Meta=meta)
    declare({"code": int}, Meta={option: value})
    with pytest.raises(ImproperlyConfigured, match="declared_only must be True or"):
        declare(Meta={"declared_only": "yes"})


# ---------------------------------------------------------------- inheritance


class Aged(ormist.TaggedModel):
    age: int = 1
    code: str = "a"

    class Meta:
        app_label = "tests"
        abstract = True


class Person(Aged):
    name: str
    age = 18

    class Meta:
        app_label = "tests"


class Ghost(Person):
    code = None
    name: str | None = None

    @property
    def age(self):
        return 500

    class Meta:
        app_label = "tests"


def test_fields_are_inherited_and_overridden():
    assert [each.name for each in Person._meta.fields] == ["age", "code", "name"]
    assert (Person().age, Person().code) == (18, "a")
    assert Person._meta.get_field("code") is not Aged._meta.get_field("code")
    assert Person._meta.get_field("code").model is Person


def test_a_class_takes_a_declaration_back():
    assert [each.name for each in Ghost._meta.fields] == ["name"]
    ghost = Ghost()
    assert (ghost.age, ghost.name, ghost.code) == (500, None, None)
    with pytest.raises(AttributeError):
        Ghost(age=3)


# ---------------------------------------------------------------- fields


def test_what_a_field_says_of_itself():
    Thing = declare(
        {
            "name": Annotated[str, MaxLengthValidator(5)],
            "state": Literal["a", "b"],
            "size": int,
        },
        name=ormist.field(default="", validators=[MaxLengthValidator(9)]),
        state=ormist.field(choices=[("a", "An A")], help_text="Letters."),
        size=ormist.field(choices={1: "One", 2: "Two"}, editable=False),
        Meta={"unique": ["name"]},
    )
    name, state, size = Thing._meta.fields
    assert (name.max_length, name.unique, state.unique) == (5, True, False)
    assert (name.has_default(), name.get_default(), name.blank) == (True, "", True)
    assert (state.has_default(), state.choices, state.max_length) == (False, [("a", "An A")], None)  # fmt: skip  # noqa: E501
    assert size.flatchoices == [(1, "One"), (2, "Two")]
    assert (size.editable, size.attname) == (False, "size")
    assert name.flatchoices == []
    for wrong in ("b", "c"):
        with pytest.raises(ValidationError, match="not a valid choice"):
            state.clean(wrong)
    assert size.clean("2") == 2
    with pytest.raises(ValidationError, match="at most 5"):
        name.clean("abcdef")
    thing = Thing(state="a")
    size.save_form_data(thing, 2)
    assert size.value_from_object(thing) == 2
    assert name.value_from_object(Thing()) == ""
    assert repr(state) == "<Field: tests.Thing.state>"


def test_an_empty_value_is_refused_if_blank_is_false():
    Thing = declare({"name": str}, name=ormist.field(default="a", blank=False))
    with pytest.raises(ValidationError, match="required"):
        Thing(name="").full_clean()


def test_a_bound_may_be_a_function():
    from django.core.validators import MaxValueValidator

    Thing = declare(
        {"n": Annotated[int, MaxValueValidator(lambda: 7)]},
        Meta={"counters": ["n"]},
    )
    assert Thing.n.bounds == (None, 7)
    assert Thing().n == 0


def test_a_declaration_in_a_union_of_decimals():
    Thing = declare({"n": Decimal | None}, n=None)
    assert Thing._meta.get_field("n").null
    assert Thing(n="1.5").attrs == {"n": "1.5"}


if sys.version_info >= (3, 14):

    def test_annotations_of_python_3_14():
        names = {"ormist": ormist}
        exec("class Late(ormist.Model):\n    size: int = 1\n    later: Later", names)
        assert [each.name for each in names["Late"]._meta.fields] == ["size", "later"]


def test_a_property_of_a_mixin_hides_a_declaration_behind_it():
    class Doubled:
        @property
        def age(self):
            return 42

    class Before(Doubled, Aged):
        class Meta:
            app_label = "tests"

    class Behind(Aged, Doubled):
        class Meta:
            app_label = "tests"

    assert "age" not in [each.name for each in Before._meta.fields]
    assert Before().age == 42
    assert "age" in [each.name for each in Behind._meta.fields]


def test_a_declaration_that_was_taken_back_can_be_made_again():
    class Back(Ghost):
        code: str = "again"

        class Meta:
            app_label = "tests"

    assert Back().code == "again"


def test_a_name_in_a_module_or_class_that_is_not_defined_yet_is_resolved_later():
    module = ModuleType("half")
    body = """class Half(ormist.Model):
    size: "half.Size" = 1
    record: "Record | None" = None"""
    sys.modules["half_of_tests"] = ModuleType("half_of_tests")
    namespace = vars(sys.modules["half_of_tests"])
    namespace |= {"ormist": ormist, "half": module, "TypedDict": TypedDict}
    exec(f"class Record(TypedDict):\n    a: 'Late'\n{body}", namespace)
    Half = namespace["Half"]
    with pytest.raises(TypeError, match="Half.size: its annotation names 'Size'"):
        Half()
    module.Size = int
    with pytest.raises(TypeError, match="names 'Late', which half_of_tests does not"):
        Half()
    namespace["Late"] = int
    made = Half(record={"a": "5"})
    made.full_clean()
    assert made.attrs == {"size": 1, "record": {"a": 5}}
    del sys.modules["half_of_tests"]


def test_values_that_contain_themselves_are_refused():
    branch = Branch(leaf=Leaf())
    branch.leaf.under.append(branch.leaf)
    with pytest.raises(ValidationError, match="nested too deeply"):
        branch.full_clean()
    deep = {"size": 1}
    for _ in range(3000):
        deep = {"size": 1, "under": [deep]}
    with pytest.raises(ValidationError, match="nested too deeply"):
        Branch(leaf=deep).full_clean()
    found = Branch(leaf=1)
    found.attrs["leaf"] = deep
    assert found.leaf is not None


def test_a_default_that_differs_each_time_is_not_a_change():
    numbers = count()

    class Numbered(ormist.Model):
        leaf: Leaf = ormist.field(default_factory=lambda: Leaf(next(numbers)))

        class Meta:
            app_label = "tests"

    made = Numbered()
    made.attrs.clear()
    assert made.leaf is made.leaf
    made.full_clean()
    assert made.attrs == {}
    made.leaf.size = "x"
    with pytest.raises(ValidationError):
        made.full_clean()
    made.leaf.size = object()
    with pytest.raises(ValidationError):
        made.full_clean()


def test_a_default_that_can_be_changed_is_refused():
    @dataclass(eq=False)
    class Hashable:
        size: int = 1

    with pytest.raises(TypeError, match="default is a Hashable, which all objects"):
        declare({"it": Hashable}, it=Hashable())


def test_the_label_of_none_is_none():
    Thing = declare({"state": Literal["a"] | None}, state=None)
    assert Thing().get_state_display() is None
    assert Thing(state=object()).get_state_display().startswith("<object")


def test_validation_may_exclude_a_reference_by_its_name():
    Thing = declare(other=ormist.ref(Branch, null=True))
    thing = Thing(other=[])
    thing.full_clean(exclude=["other"])
    thing.clean_fields(exclude=["other_id"])
    del thing.other
    assert thing.attrs == {}
    thing.other_id = "a"
    thing.unset("other")
    assert thing.attrs == {}


@pytest.mark.parametrize(
    ("annotations", "body", "message"),
    [
        ({"it_id": int}, {}, "stored as 'it_id', which Thing defines itself"),
        ({}, {"it_id": property(id)}, "stored as 'it_id', which Thing defines"),
        ({}, {"it": ormist.ref(Aged)}, "Aged is abstract, and has no objects"),
    ],
)
def test_a_wrong_reference_is_refused(annotations, body, message):
    with pytest.raises(TypeError, match=message):
        declare(annotations, **{"it": ormist.ref(Branch, null=True), **body})
