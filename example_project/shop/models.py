"""Products, carts, orders, jobs, sign-in links and the leaderboard."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Literal

from django.core.validators import MaxLengthValidator, MinValueValidator
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.crypto import get_random_string

import django_ormist as ormist

CART_LIFE = timedelta(minutes=2)
LINK_LIFE = timedelta(minutes=5)
LEASE = timedelta(minutes=1)


class Product(ormist.Model):
    """What the shop sells. Its id is a word, such as ``tea``."""

    class Kind(TextChoices):
        DRINK = "drink", "Drinks"
        PAPER = "paper", "Paper"
        TRAVEL = "travel", "Travel"

    name: Annotated[str, MaxLengthValidator(60)]
    price: Annotated[Decimal, MinValueValidator(0)]
    kind: Kind
    text: str = ""

    class Meta:
        index_attrs = ["kind"]
        ordered = ["price", "kind"]

    def __str__(self):
        return self.name


@dataclass
class Line:
    """A line of a cart or an order: it keeps the price of its day."""

    product: str
    name: str
    price: Decimal
    quantity: int = 1

    @property
    def total(self):
        return self.price * self.quantity


class Cart(ormist.Model):
    """The cart of a visitor, whose number is its id.

    It expires two minutes after its last change: this is a demo.
    """

    lines: list[Line] = ormist.field(default_factory=list)
    total: Decimal = Decimal(0)

    class Meta:
        ordered = ["total"]
        expire = CART_LIFE
        slot = "shop"  # a cart, its order and its job are written in one step

    def __str__(self):
        return ", ".join(f"{line.quantity} {line.name}" for line in self.lines)

    @classmethod
    def add(cls, visitor, product, quantity=1):
        """Add to the visitor's cart, or take away, and let it live on.

        Two requests at once may change one cart: the later one loads it again.
        """
        while True:
            cart, _ = Cart.objects.get_or_create(id=visitor)
            cart.change(product, quantity)
            cart.set_expire(CART_LIFE)
            try:
                cart.save(strict=True)
            except ormist.ConflictError:
                continue
            return cart

    def change(self, product, quantity):
        """Change the number of a product; a line of 0 is removed. Does not save."""
        lines = {line.product: line for line in self.lines}
        line = lines.setdefault(
            product.id, Line(product.id, product.name, product.price, 0)
        )
        line.quantity += quantity
        self.lines = [each for each in lines.values() if each.quantity > 0]
        self.total = sum((each.total for each in self.lines), Decimal(0))

    def check_out(self, user):
        """Turn the cart into an order and a job, in one step and one round trip.

        Raises ConflictError if the cart was changed or has expired since it was
        loaded. Then nothing is written, so a second click makes no second order.
        """
        with ormist.atomic():
            order = Order.objects.create(user=user, lines=self.lines, total=self.total)
            Job.objects.create(text=f"Pack order {order}", order=order)
            self.save(strict=True)
            self.delete()
        return order


class Order(ormist.Model):
    """An order of a user, who is in the SQL database. It is kept for a day."""

    class State(TextChoices):
        PLACED = "placed", "placed"
        PACKED = "packed", "packed"

    user = ormist.ref("auth.User")
    lines: list[Line]
    total: Decimal
    state: State = State.PLACED
    placed: datetime = ormist.field(default_factory=timezone.now)

    class Meta:
        index_attrs = ["user", "state"]
        ordered = ["total", "placed"]
        expire = timedelta(days=1)
        slot = "shop"

    def __str__(self):
        return self.id[:6]


class Job(ormist.Model):
    """Work for the warehouse, which exactly one worker claims."""

    text: str
    order: ormist.Ref[Order] | None = None
    state: Literal["waiting", "running", "done"] = "waiting"
    worker: str | None = None
    lease_ends: datetime | None = None

    class Meta:
        index_attrs = ["state", "worker"]
        ordered = ["lease_ends", "state"]
        slot = "shop"

    def __str__(self):
        return self.text

    @classmethod
    def claim(cls, worker):
        """Return a job that now belongs to this worker, or None if none waits.

        The update compares the state again as it writes, so one worker wins.
        """
        while waiting := Job.objects.find(state="waiting")[:10].list():
            for job in waiting:
                if Job.objects.find(pk=job.id, state="waiting").update(
                    state="running", worker=worker, lease_ends=timezone.now() + LEASE
                ):
                    return job
        return None

    @classmethod
    def finish(cls, pk, worker):
        """Finish a job, and its order is packed. Return the job, or None.

        None if the job does not belong to the worker any more.
        """
        mine = Job.objects.find(pk=pk, state="running", worker=worker)
        if not mine.update(state="done", lease_ends=None, expire=60):
            return None
        job = Job.objects.get(pk)
        if job.order_id is not None:
            Order.objects.find(pk=job.order_id).update(state=Order.State.PACKED)
        return job

    @classmethod
    def requeue(cls):
        """Let jobs wait again whose lease has ended. Return their number."""
        late = Job.objects.find(state="running", lease_ends__lt=timezone.now())
        return late.update(state="waiting", worker=None, lease_ends=None)

    @property
    def lease_left(self):
        """The seconds until the lease ends, 0 if it has ended."""
        left = self.lease_ends - timezone.now()
        return max(left.total_seconds(), 0)


class SignInLink(ormist.Model):
    """The right to sign in once. Its id is a digest: tokens are not stored."""

    user = ormist.ref("auth.User", on_delete=ormist.CASCADE)

    class Meta:
        index_attrs = ["user"]
        expire = LINK_LIFE

    @classmethod
    def issue(cls, user):
        """Return a new token for the user."""
        token = get_random_string(32)
        SignInLink.objects.create(id=cls.digest(token), user=user)
        return token

    @classmethod
    def find_link(cls, token):
        """Return the link of a token, or None if it is unknown, used or expired."""
        return SignInLink.objects.get_or_none(pk=cls.digest(token))

    @classmethod
    def redeem(cls, token):
        """Return the user, or None if the token is unknown, used or expired.

        Of two requests at once both may load the link, but one of them deletes it.
        """
        link = cls.find_link(token)
        if link is None:
            return None
        deleted, _ = link.delete()
        return link.user if deleted else None

    @staticmethod
    def digest(token):
        return sha256(token.encode()).hexdigest()


class Shopper(ormist.Model):
    """A place on the leaderboard. The visitor's number is its id."""

    name: Annotated[str, MaxLengthValidator(30)]
    points: int = 0

    class Meta:
        ordered = ["points"]

    def __str__(self):
        return self.name

    @classmethod
    def add_points(cls, visitor, name, points):
        """Add to the visitor's points, and return the shopper."""
        shopper, _ = Shopper.objects.get_or_create({"name": name}, id=visitor)
        shopper.increment("points", points)
        return shopper

    def count_better(self):
        """Return the number of shoppers with more points, counted by the index."""
        return Shopper.objects.find(points__gt=self.points).count()
