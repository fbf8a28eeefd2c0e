"""The tables of a shop, which tasks of a benchmark work on."""

from typing import Final

from sqlalchemy import Engine, ForeignKey, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

ORDERS: Final = 500


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """An order."""

    __tablename__ = "bench_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int] = mapped_column(default=0)
    lines: Mapped[list["Line"]] = relationship(order_by="Line.id")


class Line(Base):
    """A line of an order."""

    __tablename__ = "bench_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("bench_order.id"), index=True)
    cents: Mapped[int]


def engine(url: str) -> Engine:
    """An engine for the shop's database."""
    return create_engine(make_url(url).set(drivername="postgresql+psycopg2"))


def fill(engine: Engine) -> None:
    """Make the orders."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all(
            Order(id=number, lines=[Line(cents=line) for line in range(10)]) for number in range(ORDERS)
        )


def add_up(engine: Engine, number: int) -> None:
    """Add an order's lines up and write the sum: three queries in one transaction."""
    with Session(engine) as session, session.begin():
        order = session.get_one(Order, number)
        order.total += sum(line.cents for line in order.lines) + 1
