"""The models that the tests share."""

import django_ormist as ormist


class Plain(ormist.Verbose, ormist.Model):
    """Attributes alone: nothing is indexed."""


class Session(ormist.Model):
    """Without tags, with one attribute indexed."""

    class Meta:
        index_attrs = ["user_id"]


class Todo(ormist.Verbose, ormist.TaggedModel):
    """Tags alone."""


class User(ormist.Verbose, ormist.TaggedAttrsModel):
    """Every attribute but one is indexed."""

    class Meta:
        exclude_attrs = ["bio"]


class Page(ormist.TaggedModel):
    """Counters beside attributes, one of which is indexed."""

    class Meta:
        index_attrs = ["site"]
        counters = ["views", "votes"]


class Token(ormist.TaggedModel):
    """Expires by itself."""

    class Meta:
        expire = 3600
        id_length = 32


class City(ormist.Verbose, ormist.TaggedAttrsModel):
    """Ordered by some attributes, unique by others."""

    class Meta:
        index_attrs = ["country", "name"]
        ordered = ["population", "name", "founded"]
        unique = ["code", ("country", "slug")]
