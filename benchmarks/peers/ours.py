"""The work by django_ormist, as in its manual."""

from typing import Any

from .job import KINDS, PAGE, Values
from .peer import RedisPeer, Taken


class Ours(RedisPeer):
    """django_ormist."""

    name = "django_ormist"
    imports = """
import django
from django.conf import settings
settings.configure()
django.setup()
import django_ormist
"""

    def connect(self) -> None:
        from django_ormist.sessions import SessionStore

        self.session_store = SessionStore
        self.define()

    def define(self) -> None:
        import django_ormist as ormist

        class Device(ormist.Model):
            class Meta:
                index_attrs = ("city", "kind", "state")
                ordered = ("name", "score")

        class Account(ormist.Model):
            class Meta:
                unique = ("email",)

        self.Device, self.Account = Device, Account
        self.IntegrityError = ormist.IntegrityError

    def create(self, values: Values) -> Any:
        return self.Device.objects.create(**values).id

    def bulk(self, many: list[Values]) -> list[Any]:
        items = [self.Device(**values) for values in many]
        return [item.id for item in self.Device.objects.bulk_create(items)]

    def get(self, pk: Any) -> Any:
        return self.Device.objects.get_or_none(pk)

    def save(self, item: Any, name: str, value: Any) -> None:
        setattr(item, name, value)
        item.save()

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        return self.Device.objects.find(city=city, kind=kind).list()

    def page(self, city: str, low: int, high: int) -> list[Any]:
        found = self.Device.objects.find(city=city, score__range=(low, high))
        return found.order_by("-score")[:PAGE].list()

    def count(self, city: str, kind: str) -> int:
        return self.Device.objects.find(city=city, kind=kind).count()

    def count_range(self, city: str, low: int) -> int:
        return self.Device.objects.find(city=city, score__gte=low).count()

    def facets(self, city: str) -> dict[str, int]:
        return self.Device.objects.find(city=city).facets("kind", KINDS)

    def prefix(self, start: str) -> list[Any]:
        return self.Device.objects.find(name__startswith=start).list()

    def unique(self, email: str) -> None:
        try:
            self.Account.objects.create(email=email)
        except self.IntegrityError as error:
            raise Taken from error

    def update(self, city: str, kind: str, state: str) -> None:
        self.Device.objects.find(city=city, kind=kind).update(state=state)

    def delete(self, city: str) -> None:
        self.Device.objects.find(city=city).delete()

    def expiring(self, values: Values, seconds: int) -> Any:
        return self.Device.objects.create(expire=seconds, **values).id
