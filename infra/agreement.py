"""What a primary must agree on with the stacks that it leans on: what differs would show on the day only.

Checked before anything is declared, against their last contracts; the standby itself refers to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.outputs import EdgeContract, SiteContract
from infra.settings import SiteSettings, refused


def agree(site: SiteSettings, edge: EdgeContract, standby: SiteContract | None) -> None:
    """SettingsError with the first key that is at odds with edge or standby, and the cure."""
    if standby is None:
        return
    for key, message in (*_latch(site, edge), *_places(site, standby), *_contents(site, standby)):
        raise refused(site.stack, key, message)


def _latch(site: SiteSettings, edge: EdgeContract) -> Iterator[tuple[str, str]]:
    if edge.latch.region == site.region:
        yield (
            "edgeStack",
            f"is {edge.stack}, whose latch stands in {site.region} and would be lost with this site: "
            f"set standbyRegion in Pulumi.{edge.stack}.yaml to the standby's region",
        )


def _places(site: SiteSettings, standby: SiteContract) -> Iterator[tuple[str, str]]:
    if standby.role != "standby":
        yield "standbyStack", f"is {standby.stack}, whose role is {standby.role}: name a standby"
    if standby.region == site.region:
        yield (
            "standbyStack",
            f"is {standby.stack}, which stands in {site.region} too: losing the region would take both",
        )


def _contents(site: SiteSettings, standby: SiteContract) -> Iterator[tuple[str, str]]:
    there = f"Pulumi.{standby.stack}.yaml"
    then = f"then `pulumi up --stack {standby.stack}` before this one"
    for missing in sorted({s.name for s in site.object_stores} - {s.name for s in standby.stores}):
        yield (
            "objectStores",
            f"names {missing}, which {standby.stack} does not have, so that nothing would be copied: "
            f"add it to {there}, {then}",
        )
    theirs = standby.database.settings
    if theirs.name != site.database_name:
        yield (
            "databaseName",
            f"is {site.database_name}, the standby's is {theirs.name}: a restored database could only be "
            f"adopted by replacing it; write the same into {there}, {then}",
        )
    if theirs.storage_gb < site.database_storage_gb:
        yield (
            "databaseStorageGb",
            f"is {site.database_storage_gb}, the standby's is {theirs.storage_gb}: RDS shrinks no restored "
            f"database; write at least as much into {there}, {then}",
        )
