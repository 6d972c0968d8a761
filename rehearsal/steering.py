"""The rehearsal's own API under `/_rehearsal/`: lose a region, give it back, inject faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from rehearsal.world import World, WorldSettings

if TYPE_CHECKING:
    from rehearsal.aws.faults import Faults, Rule

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(world: World, faults: Faults) -> WSGI:
    """The API as a WSGI application."""
    from flask import Flask, abort, request
    from pydantic import ValidationError

    from rehearsal.aws.faults import Rule

    app = Flask("rehearsal")

    @app.get("/_rehearsal/status")
    def status() -> Any:
        return {"lost": list(world.lost_regions()), "fired": faults.fired}

    @app.post("/_rehearsal/regions/<region>/<what>")
    def regions(region: str, what: str) -> Any:
        if region not in world.regions or what not in ("lose", "return"):
            abort(404, f"regions are {', '.join(world.regions)}; lose or return them")
        (world.lose if what == "lose" else world.give_back)(region)
        return {"lost": list(world.lost_regions())}

    @app.get("/_rehearsal/faults")
    def show() -> Any:
        return {"rules": [rule.model_dump() for rule in faults.rules()], "fired": faults.fired}

    @app.post("/_rehearsal/faults")
    def add() -> Any:
        try:
            rule = Rule.model_validate_json(request.get_data())
        except ValidationError as wrong:
            return {"error": str(wrong)}, 400
        if rule.region and not any(re.fullmatch(rule.region, each) for each in world.regions):
            return {"error": f"region {rule.region!r} matches none of {', '.join(world.regions)}"}, 400
        return {"id": faults.add(rule)}

    @app.delete("/_rehearsal/faults")
    def clear() -> Any:
        faults.clear(request.args.get("id", ""))
        return {}

    return app.wsgi_app


class Steering:
    """Client of that API. Raises httpx.HTTPError when the world does not answer."""

    def __init__(self, settings: WorldSettings) -> None:
        self.settings = settings
        self._http = httpx.Client(base_url=f"{settings.api_url}/_rehearsal", timeout=30, trust_env=False)

    def lose(self, region: str) -> None:
        """Take a region away; returns once its processes are dead."""
        self._post(f"/regions/{region}/lose")

    def give_back(self, region: str) -> None:
        """Bring a lost region back, with what it had on its disks."""
        self._post(f"/regions/{region}/return")

    def lost(self) -> list[str]:
        """Regions that are gone."""
        answer = self._http.get("/status").raise_for_status().json()
        return [str(region) for region in answer["lost"]]

    def add_fault(self, rule: Rule) -> str:
        """Put a fault in force; answers its id. ValueError when the world says that it could never happen."""
        answer = self._http.post("/faults", content=rule.model_dump_json())
        if answer.status_code == 400:
            raise ValueError(answer.json()["error"])
        return str(answer.raise_for_status().json()["id"])

    def faults(self) -> list[Rule]:
        """Those in force."""
        from rehearsal.aws.faults import Rule

        answer = self._http.get("/faults").raise_for_status().json()
        return [Rule.model_validate(row) for row in answer["rules"]]

    def clear_faults(self, id_: str = "") -> None:
        """Take one away, or all of them."""
        self._http.delete("/faults", params={"id": id_} if id_ else {}).raise_for_status()

    def fired(self) -> dict[str, int]:
        """How often each fault was met."""
        answer: dict[str, int] = self._http.get("/faults").raise_for_status().json()["fired"]
        return answer

    def waits(self) -> Path:
        """The file in which the world notes every wait a cloud imposed."""
        return self.settings.home / "waits.jsonl"

    def calls(self) -> Path:
        """The file in which the world notes every AWS call."""
        return self.settings.home / "calls.jsonl"

    def _post(self, path: str, body: str = "") -> dict[str, Any]:
        answer: dict[str, Any] = self._http.post(path, content=body).raise_for_status().json()
        return answer
