"""A shop, for its symbols."""

from abc import ABC

CURRENCY = "EUR"


class Item(ABC):
    count = 0

    def __init__(self, name: str, price: int):
        self.name = name
        self.price = price

    @staticmethod
    def parse(text: str) -> "Item":
        name, _, price = text.partition("=")

        return Item(name, int(price))

    @property
    def label(self):
        return f"{self.name} → {self.price} {CURRENCY}"


async def fetch(url, /, *hosts, timeout=1, **headers) -> bytes:
    def again(attempt):
        wait = attempt * timeout
        return wait

    for host in hosts:
        if again(1):
            return host


def ids():
    yield from range(3)
