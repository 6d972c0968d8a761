"""Answers of people, as rows that are only ever added: a run reads them one after the other, each once.

They can be given while nobody carries the run out; the run finds them when it is taken up.
"""

from __future__ import annotations

import sqlalchemy as sa
from pydantic import ValidationError

from recovery.engine.record import Answer

_META = sa.MetaData()
_TABLE = sa.Table(
    "lifeboat_answers",
    _META,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("answer", sa.Text, nullable=False),
)


def create(engine: sa.Engine) -> None:
    """Make the table if it is not there."""
    _META.create_all(engine)


def put(engine: sa.Engine, run: str, answer: Answer) -> int:
    """Add an answer; returns its number, from 1."""
    create(engine)
    while True:
        try:
            with engine.begin() as connection:
                last = sa.select(sa.func.max(_TABLE.c.number)).where(_TABLE.c.run == run)
                number = (connection.execute(last).scalar() or 0) + 1
                connection.execute(
                    sa.insert(_TABLE).values(run=run, number=number, answer=answer.model_dump_json())
                )
                return number
        except sa.exc.IntegrityError:
            continue  # another person was faster; take the next number


def get(engine: sa.Engine, run: str, number: int) -> Answer | str | None:
    """That answer, or why it is none (the database may hold nonsense); None while there is none."""
    query = sa.select(_TABLE.c.answer).where(_TABLE.c.run == run, _TABLE.c.number == number)
    with engine.connect() as connection:
        text = connection.execute(query).scalar()
    if text is None:
        return None
    try:
        return Answer.model_validate_json(text)
    except ValidationError as error:
        return f"answer {number} cannot be read: {error.errors()[0]['msg']}"
