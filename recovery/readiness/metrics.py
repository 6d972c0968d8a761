"""How old the newest restorable moment is, as figures that the sites' alarms watch (`infra/aws/alarms.py`).

AWS publishes neither figure. Whoever runs this from a schedule needs `cloudwatch:PutMetricData` and RDS's
Describe calls; when nobody does, the alarms ring, because an unwatched backup is not a healthy one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.outputs import REPLICATION_LAG, RESTORABLE_AGE
from recovery.sites.ports import Backups, Instance, Site


@dataclass(frozen=True)
class Figure:
    """One figure about a site's database, in seconds."""

    metric: str
    database: str
    seconds: float


def figures(instance: Instance, region: str, elsewhere: Sequence[Backups], now: datetime) -> list[Figure]:
    """What can be said of a database in `region`, given the backups that other sites hold.

    What is unknown is not said: an alarm rings for silence, never for a guess.
    """
    name = instance.identifier
    found = []
    if instance.latest_restorable is not None:
        found.append(Figure(RESTORABLE_AGE, name, (now - instance.latest_restorable).total_seconds()))
    copies = [b.latest for b in elsewhere if b.database == name and b.source_region == region]
    if copies:
        found.append(Figure(REPLICATION_LAG, name, (now - max(copies)).total_seconds()))
    return found


def publish(sites: Sequence[Site], now: datetime) -> list[Figure]:
    """Measure every database that stands and tell its site; LifeboatError when a site does not answer."""
    told: list[Figure] = []
    for site in sites:
        instance = site.database.find(site.contract.database.identifier)
        if instance is None:
            continue
        others = [other for other in sites if other is not site]
        elsewhere = [backups for other in others for backups in other.database.backups()]
        for figure in figures(instance, site.contract.region, elsewhere, now):
            site.measure(figure.metric, figure.database, figure.seconds)
            told.append(figure)
    return told
