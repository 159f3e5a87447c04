"""Types of declared attributes, read by mypy and by pyright and never run."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, assert_type

from django.core.validators import MinValueValidator
from django.db import models

import django_ormist as ormist


class Delivery(models.TextChoices):
    """A choice."""

    POST = "post"


@dataclass
class Place:
    """A value with parts."""

    street: str


class Cart(ormist.TaggedModel):
    """A model with an attribute of each kind."""

    owner: int
    total: Decimal = Decimal(0)
    state: Literal["open", "paid"] = "open"
    size: Annotated[int, MinValueValidator(1)] = 1
    lines: list[dict[str, Any]] = ormist.field(default_factory=list)
    name: str = ormist.field(default="", verbose_name="name of the cart")
    code: str = ormist.field(help_text="required")
    delivery: Delivery = Delivery.POST
    place: Place | None = None
    at: datetime | None = None

    class Meta:
        """Indexes."""

        index_attrs = ["owner"]
        ordered = ["total"]


class Gift(Cart):
    """A child, with an attribute of its own."""

    card: str = ""


class Author(ormist.Model):
    """A model that others refer to."""

    name: str = ""


class Book(ormist.Model):
    """References of each kind."""

    author: ormist.Ref[Author] = ormist.ref(related_name="books")
    translator: ormist.Ref[Author] | None
    user = ormist.ref("auth.User", null=True)


def references(book: Book, author: Author) -> None:
    assert_type(book.author, Author)
    assert_type(book.author.name, str)
    assert_type(book.translator, Author | None)
    assert_type(book.author_id, Any)
    assert_type(book.user, Any)
    book.author = author
    book.author = "a primary key"
    book.translator = None
    assert_type(Book.objects.select_related("author").get("x").author, Author)


def wrong_references(book: Book) -> None:
    book.author = 1.5  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    book.translator.name  # type: ignore[union-attr]  # noqa: B018  # pyright: ignore[reportOptionalMemberAccess]


def reading(cart: Cart, gift: Gift) -> None:
    assert_type(cart.owner, int)
    assert_type(cart.total, Decimal)
    assert_type(cart.lines, list[dict[str, Any]])
    assert_type(cart.name, str)
    assert_type(cart.code, str)
    assert_type(cart.delivery, Delivery)
    assert_type(cart.place, Place | None)
    assert_type(cart.at, datetime | None)
    assert_type(gift.card, str)
    assert_type(gift.owner, int)
    assert_type(cart.undeclared, Any)


def results() -> None:
    assert_type(Cart.objects.get("x").total, Decimal)
    assert_type(Gift.objects.find(owner=1)[0].card, str)
    assert_type([cart.owner for cart in Cart.objects.all()], list[int])


def assignments(cart: Cart) -> None:
    cart.owner = 5
    cart.state = "paid"
    cart.delivery = Delivery.POST
    cart.place = Place("Main")
    cart.lines.append({"book": 1})
    cart.undeclared = "anything"
    Cart("tag", owner="21", undeclared=1).save()


def wrong_uses(cart: Cart) -> None:
    cart.owner = "5"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    cart.state = "lost"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    cart.total.upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    cart.place.street  # type: ignore[union-attr]  # noqa: B018  # pyright: ignore[reportOptionalMemberAccess]
    cart.lines.append(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Cart.objects.get("x").owner.upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
