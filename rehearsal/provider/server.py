"""The provider's gRPC face: what the Pulumi engine asks, told to the tables.

Source: proto/pulumi/provider.proto. Secrets and resource references are declined; the engine marks secrets
again by itself.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.provider import crud, invokes, schema
from rehearsal.provider.checks import Asked, check, diff
from rehearsal.provider.clients import Clients
from rehearsal.provider.kinds import Context, Kind, Tagging, modelled
from rehearsal.provider.shapes import NotModelledError
from rehearsal.provider.tables import KINDS
from rehearsal.provider.wire import Props, decode, encode

CHANGE = {"add": pb.PropertyDiff.ADD, "delete": pb.PropertyDiff.DELETE, "update": pb.PropertyDiff.UPDATE}
REPLACE = {
    "add": pb.PropertyDiff.ADD_REPLACE,
    "delete": pb.PropertyDiff.DELETE_REPLACE,
    "update": pb.PropertyDiff.UPDATE_REPLACE,
}
DEFAULT_TIMEOUT = 900.0
log = logging.getLogger("provider")
EXPECTED = (ClientError, BotoCoreError, NotModelledError, TimeoutError, RuntimeError, ValueError, KeyError)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers for the `aws` package; one process per provider resource."""

    def __init__(self, schema_file: Path) -> None:
        self._schemas = schema.load(schema_file, KINDS)
        self._clients: Clients | None = None
        self._region = ""
        self._tagging = Tagging()

    # --- the provider itself ---

    def Handshake(self, request: Any, context: Any) -> Any:
        """Not answered: Configure says what we can do."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "no handshake")

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: D102
        return plugin_pb2.PluginInfo(version=schema.version())

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Provider configuration: only what a rehearsal can honour."""
        news = decode(request.news)
        wrong = [k for k in news if k not in KNOWN_CONFIG]
        failures = [
            pb.CheckFailure(property=k, reason=f"the rehearsal's AWS provider does not model {k!r}")
            for k in wrong
        ]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Another region by default is no reason to replace the provider: resources say where they are."""
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: D102
        config = {k.removeprefix("aws:config:"): v for k, v in request.variables.items()}
        self._region = (
            config.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        )
        if not self._region:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "no region: `pulumi config set aws:region REGION` for this stack",
            )
        self._tagging = tagging(config)
        try:
            self._clients = Clients()
        except RuntimeError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return pb.ConfigureResponse(supportsPreview=True, acceptSecrets=False, acceptResources=False)

    def GetSchema(self, request: Any, context: Any) -> Any:
        """`pulumi import` asks for it; it works without types."""
        return pb.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": schema.version()}))

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: D102
        return empty_pb2.Empty()

    # --- resources ---

    def Check(self, request: Any, context: Any) -> Any:  # noqa: D102
        def work() -> Any:
            kind = self._kind(request)
            shape = self._schemas[kind.token]
            known = modelled(kind, shape, self.clients)
            name = request.name or _name(request.urn)
            asked = Asked(name, self._region, decode(request.olds), decode(request.news), request.randomSeed)
            done = check(kind, shape, known, asked)
            failures = [pb.CheckFailure(property=k, reason=v) for k, v in done.failures.items()]
            return pb.CheckResponse(inputs=encode(done.inputs), failures=failures)

        return _answer(context, request, "checking", work)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: D102
        def work() -> Any:
            kind = self._kind(request)
            olds, old_inputs, news = decode(request.olds), decode(request.old_inputs), decode(request.news)
            found = diff(kind, olds, old_inputs, news)
            detail = {
                path: pb.PropertyDiff(
                    kind=(REPLACE if path.startswith(found.replaces) else CHANGE)[change], inputDiff=True
                )
                for path, change in found.paths.items()
            }
            changes = pb.DiffResponse.DIFF_SOME if found.paths else pb.DiffResponse.DIFF_NONE
            return pb.DiffResponse(
                changes=changes,
                replaces=found.replaces,
                deleteBeforeReplace=found.delete_first,
                diffs=sorted(found.props),
                detailedDiff=detail,
                hasDetailedDiff=True,
            )

        return _answer(context, request, "comparing", work)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: D102
        if request.preview:
            return pb.CreateResponse(properties=request.properties)

        def work() -> Any:
            ctx = self._context(request, inputs=decode(request.properties))
            made, state = crud.create(ctx)
            return pb.CreateResponse(id=made, properties=encode(state))

        return _answer(context, request, "creating", work)

    def Read(self, request: Any, context: Any) -> Any:  # noqa: D102
        def work() -> Any:
            inputs, state = decode(request.inputs), decode(request.properties)
            ctx = self._context(request, inputs=inputs, state=state, id=request.id)
            if not inputs and not state and ctx.kind.locate:
                ctx.id, ctx.state = ctx.kind.locate(request.id)
            ctx.tags = dict(state.get("tagsAll") or {})
            found = crud.read(ctx)
            return pb.ReadResponse(id=found.id, properties=encode(found.state), inputs=encode(found.inputs))

        return _answer(context, request, "reading", work)

    def Update(self, request: Any, context: Any) -> Any:  # noqa: D102
        def work() -> Any:
            old, state, news = decode(request.old_inputs), decode(request.olds), decode(request.news)
            ctx = self._context(request, inputs=news, state=state, old_inputs=old, id=request.id)
            done = crud.planned_update(ctx) if request.preview else crud.update(ctx)
            return pb.UpdateResponse(properties=encode(done))

        return _answer(context, request, "updating", work)

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: D102
        def work() -> Any:
            state = decode(request.properties)
            crud.delete(self._context(request, inputs=decode(request.old_inputs), state=state, id=request.id))
            return empty_pb2.Empty()

        return _answer(context, request, "deleting", work)

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: D102
        def work() -> Any:
            return pb.InvokeResponse(
                **{
                    "return": encode(
                        invokes.run(self.clients, self._region, request.tok, decode(request.args))
                    )
                }
            )

        return _answer(context, request, "invoking", work)

    # --- helpers ---

    @property
    def clients(self) -> Clients:
        """AWS clients; they exist once the engine has configured us."""
        if self._clients is None:
            self._clients = Clients()
        return self._clients

    def _kind(self, request: Any) -> Kind:
        token = request.type or request.urn.split("::")[2].rsplit("$", 1)[-1]
        if token not in KINDS:
            raise NotModelledError(
                f"the rehearsal's AWS does not model {token!r}; its types are in rehearsal/provider/tables"
            )
        return KINDS[token]

    def _context(self, request: Any, **given: Any) -> Context:
        kind = self._kind(request)
        inputs: Props = given["inputs"]
        place, known = request_id_region(given.get("id", "")), given.get("state", {})
        region = inputs.get("region") or known.get("region") or place or self._region
        timeout = getattr(request, "timeout", 0) or DEFAULT_TIMEOUT
        if given.get("id") and place:
            given["id"] = given["id"].rsplit("@", 1)[0]
        return Context(
            kind=kind,
            schema=self._schemas[kind.token],
            clients=self.clients,
            region=str(region),
            name=request.name or _name(request.urn),
            tagging=self._tagging,
            deadline=time.monotonic() + timeout,
            **given,
        )


def tagging(config: Mapping[str, str]) -> Tagging:
    """The provider's `defaultTags` and `ignoreTags`; nested settings travel as JSON texts."""
    defaults = json.loads(config.get("defaultTags") or "{}").get("tags", {})
    ignored = json.loads(config.get("ignoreTags") or "{}")
    return Tagging(
        json.loads(defaults) if isinstance(defaults, str) else defaults,
        tuple(ignored.get("keys") or ()),
        tuple(ignored.get("keyPrefixes") or ()),
    )


KNOWN_CONFIG = frozenset(
    {
        "region",
        "defaultTags",
        "ignoreTags",
        "version",
        "maxRetries",
        "retryMode",
        "skipCredentialsValidation",
        "skipRegionValidation",
    }
    | {"skipMetadataApiCheck", "skipRequestingAccountId", "allowedAccountIds", "__internal"}
)


def request_id_region(identity: str) -> str:
    """The region of an import id that ends with `@region`, else nothing."""
    import re

    found = re.fullmatch(r".+@([a-z]{2}(?:-[a-z]+)+-\d{1,2})", identity)
    return found[1] if found else ""


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _answer(context: Any, request: Any, verb: str, work: Callable[[], Any]) -> Any:
    """Run `work`; its errors become the engine's, with the resource's name, and go to the log whole."""
    what = getattr(request, "tok", "") or request.urn
    try:
        return work()
    except crud.PartialFailureError as failure:
        _partial(context, failure, f"{verb} {what}: {failure.reason}")
    except EXPECTED as error:
        log.exception("%s %s", verb, what)
        context.abort(grpc.StatusCode.UNKNOWN, f"{verb} {what}: {error}")


def _partial(context: Any, failure: crud.PartialFailureError, reason: str) -> NoReturn:
    log.error(reason, exc_info=failure)
    detail = any_pb2.Any()
    state: Mapping[str, Any] = failure.state
    detail.Pack(pb.ErrorResourceInitFailed(id=failure.id, properties=encode(dict(state)), reasons=[reason]))
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, reason)
    raise AssertionError("abort raises")
