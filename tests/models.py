"""The models that the tests share."""

import django_ormist as ormist


class Plain(ormist.Verbose, ormist.Model):
    """Attributes without indexes."""


class Session(ormist.Model):
    """Without tags, with one indexed attribute."""

    class Meta:
        index_attrs = ["user_id"]


class Todo(ormist.Verbose, ormist.TaggedModel):
    """Only tags are indexed."""


class User(ormist.Verbose, ormist.TaggedAttrsModel):
    """Every attribute but one is indexed."""

    class Meta:
        exclude_attrs = ["bio"]


class Page(ormist.TaggedModel):
    """Counters, and attributes of which one is indexed."""

    class Meta:
        index_attrs = ["site"]
        counters = ["views", "votes"]


class Token(ormist.TaggedModel):
    """A model with Meta.expire."""

    class Meta:
        expire = 3600
        id_length = 32


class City(ormist.Verbose, ormist.TaggedAttrsModel):
    """Some ordered attributes, some unique ones."""

    class Meta:
        index_attrs = ["country", "name"]
        ordered = ["population", "name", "founded"]
        unique = ["code", ("country", "slug")]


class Basket(ormist.Verbose, ormist.TaggedModel):
    """In one slot with BasketLine, whose label begins with its own."""

    class Meta:
        slot = "shop"
        index_attrs = ["owner"]
        ordered = ["total"]
        unique = ["code"]
        counters = ["views"]


class BasketLine(ormist.Verbose, ormist.TaggedModel):
    """In one slot with Basket."""

    class Meta:
        slot = "shop"
        unique = ["code"]
