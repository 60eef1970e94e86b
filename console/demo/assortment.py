"""What the demo shop sells."""

from __future__ import annotations

from dataclasses import dataclass

SHOP_NAME = "Larkspur"


@dataclass(frozen=True, slots=True)
class Product:
    key: str
    name: str
    category: str
    price: float

    @property
    def properties(self) -> dict[str, str | float]:
        """As an event carries it (Segment's e-commerce names)."""
        return {"product_id": self.key, "name": self.name, "category": self.category, "price": self.price}


_NAMES = {
    "Tents": [("Dune 2 tent", 249), ("Ridge 3 tent", 329), ("Solo bivy", 139), ("Tarp 3 × 3", 79)],
    "Packs": [("Day pack 18 l", 69), ("Trek pack 45 l", 149), ("Dry bag 20 l", 29), ("Hip pack", 39)],
    "Shoes": [("Trail runners", 119), ("Alpine boots", 219), ("Camp sandals", 49), ("Wool socks", 17)],
    "Kitchen": [("Gas stove", 59), ("Titanium pot", 45), ("Enamel mug", 14), ("Spork", 8)],
    "Sleeping": [("Down bag −5 °C", 279), ("Summer bag", 99), ("Air mat", 109), ("Travel pillow", 24)],
    "Light": [("Head torch", 49), ("Camp lantern", 35), ("Bike light set", 42), ("Solar charger", 69)],
}

PRODUCTS: tuple[Product, ...] = tuple(
    Product(f"L{100 * row + column}", name, category, float(price))
    for row, (category, items) in enumerate(_NAMES.items(), start=1)
    for column, (name, price) in enumerate(items, start=1)
)
CATEGORIES: tuple[str, ...] = tuple(_NAMES)
BY_CATEGORY: dict[str, list[Product]] = {c: [p for p in PRODUCTS if p.category == c] for c in CATEGORIES}
