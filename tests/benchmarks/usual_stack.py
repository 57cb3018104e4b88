"""The same rows as most services of this kind would serve them: FastAPI, SQLAlchemy's asynchronous ORM over asyncpg, pydantic models.

uvicorn runs it in the environment of requirements/bench.txt; USUAL_STACK_DATABASE says where the database is.
"""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ARRAY, ForeignKey, Text, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

engine = create_async_engine(os.environ["USUAL_STACK_DATABASE"], pool_size=10, max_overflow=0)
new_session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """Base of the tables."""


class Coin(Base):
    """What a coin is called."""

    __tablename__ = "coins"
    coin_key: Mapped[int] = mapped_column(primary_key=True)
    coin_id: Mapped[str]
    symbol: Mapped[str]
    name: Mapped[str]


class LatestPrice(Base):
    """What a coin costs."""

    __tablename__ = "latest_prices"
    coin_key: Mapped[int] = mapped_column(ForeignKey("coins.coin_key"), primary_key=True)
    value: Mapped[float]
    observed_at: Mapped[datetime]
    confidence: Mapped[float]
    sources_used: Mapped[list[str]] = mapped_column(ARRAY(Text))
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    market_cap: Mapped[float | None]
    coin: Mapped[Coin] = relationship(lazy="raise")


class Row(BaseModel):
    """A row of /data."""

    model_config = ConfigDict(from_attributes=True)

    symbol: str
    name: str
    sources: list[str]
    latest_price_usd: float
    id: str
    observed_at: datetime
    confidence: float
    flags: list[str]


async def session() -> AsyncIterator[AsyncSession]:
    """A session per request."""
    async with new_session() as opened:
        yield opened


@app.get("/data", response_model=list[Row])
async def data(opened: Annotated[AsyncSession, Depends(session)], limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Any:
    """The first coins by market cap."""
    statement = select(LatestPrice).options(joinedload(LatestPrice.coin, innerjoin=True))
    prices = await opened.scalars(statement.order_by(LatestPrice.market_cap.desc().nulls_last()).limit(limit))
    return [
        Row(
            symbol=price.coin.symbol,
            name=price.coin.name,
            sources=price.sources_used,
            latest_price_usd=price.value,
            id=price.coin.coin_id,
            observed_at=price.observed_at,
            confidence=price.confidence,
            flags=price.flags,
        )
        for price in prices
    ]
