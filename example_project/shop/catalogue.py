"""What ``load_shop`` stores."""

import random
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from .models import Cart, Job, Line, Order, Product, Shopper

PRODUCTS = [
    # id, name, price, kind, text
    ("tea", "Green tea", "4.20", "drink", "Fifty grams, from Shizuoka."),
    ("coffee", "Coffee", "9.80", "drink", "Half a pound, whole beans."),
    ("mug", "Mug", "9.50", "drink", "Blue enamel, keeps its heat."),
    ("flask", "Flask", "24.00", "drink", "Steel, half a litre."),
    ("notebook", "Notebook", "6.40", "paper", "Ninety-six dotted pages."),
    ("pencil", "Pencils", "5.10", "paper", "A dozen, soft."),
    ("atlas", "Pocket atlas", "18.90", "paper", "Every city of the next tab."),
    ("postcard", "Postcards", "3.00", "paper", "Ten, without a picture yet."),
    ("compass", "Compass", "31.50", "travel", "Points north, slowly."),
    ("bag", "Shoulder bag", "46.00", "travel", "Waxed cotton, two pockets."),
    ("lamp", "Head lamp", "27.30", "travel", "Red light for maps at night."),
    ("towel", "Towel", "14.20", "travel", "You know where it is."),
]
NAMES = [
    *("Ada", "Alan", "Anita", "Barbara", "Claude", "Donald", "Edsger", "Evelyn"),
    *("Frances", "Grace", "Guido", "Hedy", "Jean", "John", "Katherine", "Ken"),
    *("Leslie", "Margaret", "Niklaus", "Radia", "Sophie", "Tim", "Tony", "Vint"),
]


def read_products():
    return [
        Product(id=pk, name=name, price=Decimal(price), kind=kind, text=text)
        for pk, name, price, kind, text in PRODUCTS
    ]


def make_shoppers(number):
    """Return shoppers with points, the same ones each time."""
    rng = random.Random(1)
    return [
        Shopper(
            id=f"shopper-{n}",
            name=f"{rng.choice(NAMES)} {n}",
            points=round(rng.paretovariate(1.2) * 20),
        )
        for n in range(1, number + 1)
    ]


def make_orders(users, number):
    """Return orders of these users, placed within the last hours."""
    rng, products = random.Random(2), read_products()
    orders = []
    for n in range(number):
        lines = make_lines(rng, products)
        orders.append(
            Order(
                id=f"demo{n:02}",
                user=rng.choice(users),
                lines=lines,
                total=sum(line.total for line in lines),
                state=Order.State.PACKED if n < number // 2 else Order.State.PLACED,
                placed=timezone.now() - timedelta(minutes=11 * (number - n)),
            )
        )
    return orders


def make_jobs(orders):
    """Return the jobs of those orders that are not packed."""
    return [
        Job(id=f"pack-{order.id}", text=f"Pack order {order}", order=order)
        for order in orders
        if order.state == Order.State.PLACED
    ]


def make_carts(number):
    """Return carts that expire one after the other, within a minute."""
    products = read_products()
    carts = []
    for n in range(1, number + 1):
        lines = make_lines(random, products)
        total = sum(line.total for line in lines)
        carts.append(Cart(lines=lines, total=total, expire=60 * n / number))
    return carts


def make_lines(rng, products):
    return [
        Line(each.id, each.name, each.price, rng.randint(1, 3))
        for each in rng.sample(products, rng.randint(1, 4))
    ]
