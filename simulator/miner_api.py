"""The VNish 1.2.6 HTTP API of one simulated miner (CONTRACT sections 2, 4 and 5), and of hosts that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from simulator import miner_payloads
from simulator.auth import Credential
from simulator.faults import after_handling, before_handling
from simulator.http_server import Reply, Request, json_reply, text_reply
from simulator.miner import SimMiner, preset_in
from simulator.physics import CgminerError, State, UnknownPresetError

BASE = "/api/v1"
LOGS = frozenset({"status", "miner", "autotune", "system", "messages", "api"})
ROOT_PAGE = (
    '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="firmware" content="AnthillOS">'
    '<title>AnthillOS</title></head><body><div id="app"></div></body></html>'
)
SETTINGS_PARTS = ("miner", "ui", "regional", "network", "layout")

OtherKind = Literal["stock", "other_json", "other_spa", "hang"]
Route = Callable[[SimMiner, Request, Credential | None], Reply]


class MinerApi:
    """Answers for one miner; its ``handle`` is called in the loop's thread."""

    def __init__(self, miner: SimMiner) -> None:
        self.miner = miner

    def handle(self, request: Request) -> Reply:
        """One request, through the miner's faults."""
        miner = self.miner
        with miner.lock:
            if miner.settle() is State.DARK:
                return Reply(delivery="reset")
            miner.requests[f"{request.method} {request.path}"] += 1
            disturbed = before_handling(miner.faults, request)
            if disturbed is not None:
                return disturbed
            return after_handling(miner.faults, request, self._route(request))

    def _route(self, request: Request) -> Reply:
        miner = self.miner
        if request.path in ("/", "/index.html"):
            return text_reply(ROOT_PAGE, content_type="text/html")
        if not request.path.startswith(BASE + "/"):
            return Reply(404)
        path = request.path[len(BASE) :]
        if path.startswith("/logs/"):
            return _log(miner, request.method, path)
        methods = ROUTES.get(path)
        if methods is None or (path == "/model" and not miner.spec.has_model_endpoint):
            return Reply(404)
        if request.method not in methods:
            return Reply(405)
        route, needs_credential = methods[request.method]
        credential = miner.auth.credential(request, miner.clock.real_s())
        if needs_credential and credential is None:
            return Reply(401)
        reply = route(miner, request, credential)
        if request.method == "POST" and needs_credential:
            miner.record(request.path, _body(request), reply)
        return reply


def _body(request: Request) -> Any:
    """The body as JSON, or None where it is not any."""
    try:
        return request.json()
    except (ValueError, RecursionError):
        return None


def _log(miner: SimMiner, method: str, path: str) -> Reply:
    if path.removeprefix("/logs/") not in LOGS:
        return Reply(404)
    if method != "GET":
        return Reply(405)
    return text_reply(f"[2026-11-20 12:00:00] {miner.model.alias}: preset {miner.physics.running_preset}\n")


def _view(build: Callable[[SimMiner], Any]) -> Route:
    def route(miner: SimMiner, _request: Request, _credential: Credential | None) -> Reply:
        return json_reply(build(miner))

    return route


def _status(miner: SimMiner, _request: Request, credential: Credential | None) -> Reply:
    left = credential.seconds_left if credential else None
    return json_reply(miner_payloads.status(miner, unlocked=credential is not None, seconds_left=left))


def _summary(miner: SimMiner, _request: Request, credential: Credential | None) -> Reply:
    payload = miner_payloads.summary(miner)
    if credential is None:
        for pool in payload["miner"]["pools"]:
            pool["user"] = "*****"
    return json_reply(payload)


def _unlock(miner: SimMiner, request: Request, _credential: Credential | None) -> Reply:
    return miner.auth.unlock(_body(request), miner.clock.real_s())


def _auth_check(_miner: SimMiner, _request: Request, credential: Credential | None) -> Reply:
    left = credential.seconds_left if credential else None
    return json_reply({} if left is None else {"unlock_timeout": left})


def _list_keys(miner: SimMiner, _request: Request, _credential: Credential | None) -> Reply:
    return miner.auth.list_keys()


def _add_key(miner: SimMiner, request: Request, _credential: Credential | None) -> Reply:
    return miner.auth.add_key(_body(request))


def _delete_key(miner: SimMiner, request: Request, _credential: Credential | None) -> Reply:
    return miner.auth.delete_key(_body(request))


def _lock(others: bool) -> Route:
    def route(miner: SimMiner, _request: Request, credential: Credential | None) -> Reply:
        return Reply(401) if credential is None else miner.auth.lock(credential, others=others)

    return route


def _post_settings(miner: SimMiner, request: Request, _credential: Credential | None) -> Reply:
    body = _body(request)
    if not isinstance(body, dict) or not isinstance(body.get("miner", {}), dict | None):
        return json_reply({"err": "invalid settings"}, 400)
    if fault := miner.faults.take("reject", request):
        status = int(fault.number("status", 500))
        return json_reply({"err": "unknown preset" if status == 400 else "CGMiner err: connection refused"}, status)
    overclock = (body.get("miner") or {}).get("overclock") or {}
    named = overclock.get("preset") if isinstance(overclock, dict) else None
    if named is not None and not isinstance(named, str):
        return json_reply({"err": "invalid type: expected a string for `preset`"}, 400)
    if fault := miner.faults.take("accept_not_apply", request):
        if fault.args.get("save") and named is not None:
            miner.physics.saved_preset = named
        return json_reply({"restart_required": False, "reboot_required": False})
    preset = preset_in(body)
    physics = miner.physics
    restart_required, reboot_required = physics.restart_required, physics.reboot_required
    if preset is not None:
        try:
            saved = physics.save_preset(preset, miner.clock.now_s())
        except UnknownPresetError:
            return json_reply({"err": "unknown preset"}, 400)
        restart_required, reboot_required = saved.restart_required, saved.reboot_required
    _keep(miner, body)
    return json_reply({"restart_required": restart_required, "reboot_required": reboot_required})


def _keep(miner: SimMiner, body: dict[str, Any]) -> None:
    """Merge the parts that were sent over those kept; unknown parts are ignored, the preset lives in the physics."""
    kept: dict[str, Any] = {part: body[part] for part in SETTINGS_PARTS if isinstance(body.get(part), dict)}
    miner.settings_overrides = miner_payloads.merged(miner.settings_overrides, kept)
    parts = miner.settings_overrides.get("miner")
    if isinstance(parts, dict) and isinstance(parts.get("overclock"), dict):
        parts["overclock"] = {key: value for key, value in parts["overclock"].items() if key != "preset"}


def _mining(action: str) -> Route:
    def route(miner: SimMiner, request: Request, _credential: Credential | None) -> Reply:
        if action == "restart" and miner.faults.take("reject_restart", request):
            return json_reply({"err": "CGMiner err: connection refused"}, 500)
        physics, now_s = miner.physics, miner.clock.now_s()
        try:
            if action == "restart":
                physics.restart(now_s)
            elif action in ("stop", "pause"):
                physics.stop(now_s)
            else:
                physics.start(now_s)
        except CgminerError as exc:
            return json_reply({"err": str(exc)}, 500)
        return Reply()

    return route


def _switch_pool(_miner: SimMiner, request: Request, _credential: Credential | None) -> Reply:
    body = _body(request)
    if not isinstance(body, dict) or not isinstance(body.get("pool_id"), int):
        return json_reply({"err": "unknown pool"}, 500)
    return Reply()


def _reboot(miner: SimMiner, _request: Request, _credential: Credential | None) -> Reply:
    after_s = miner.physics.reboot(miner.clock.now_s())
    return json_reply({"after": int(after_s + 0.5)})


def _find_miner(_miner: SimMiner, _request: Request, _credential: Credential | None) -> Reply:
    return json_reply({"on": True})


OPEN, GUARDED = False, True
ROUTES: dict[str, dict[str, tuple[Route, bool]]] = {
    "/info": {"GET": (_view(miner_payloads.info), OPEN)},
    "/model": {"GET": (_view(miner_payloads.model_info), OPEN)},
    "/status": {"GET": (_status, OPEN)},
    "/summary": {"GET": (_summary, OPEN)},
    "/perf-summary": {"GET": (_view(miner_payloads.perf_summary), OPEN)},
    "/chains": {"GET": (_view(miner_payloads.chains), OPEN)},
    "/chains/factory-info": {"GET": (_view(miner_payloads.factory_info), OPEN)},
    "/autotune/presets": {"GET": (_view(miner_payloads.presets), GUARDED)},
    "/unlock": {"POST": (_unlock, OPEN)},
    "/lock": {"POST": (_lock(others=False), GUARDED)},
    "/lock/others": {"POST": (_lock(others=True), GUARDED)},
    "/auth-check": {"GET": (_auth_check, GUARDED)},
    "/apikeys": {"GET": (_list_keys, GUARDED), "POST": (_add_key, GUARDED)},
    "/apikeys/delete": {"POST": (_delete_key, GUARDED)},
    "/settings": {"GET": (_view(miner_payloads.settings), GUARDED), "POST": (_post_settings, GUARDED)},
    "/mining/start": {"POST": (_mining("start"), GUARDED)},
    "/mining/stop": {"POST": (_mining("stop"), GUARDED)},
    "/mining/pause": {"POST": (_mining("pause"), GUARDED)},
    "/mining/resume": {"POST": (_mining("resume"), GUARDED)},
    "/mining/restart": {"POST": (_mining("restart"), GUARDED)},
    "/mining/switch-pool": {"POST": (_switch_pool, GUARDED)},
    "/system/reboot": {"POST": (_reboot, GUARDED)},
    "/find-miner": {"POST": (_find_miner, OPEN)},
}

STOCK_PAGE = "<html><head><title>401 Unauthorized</title></head><body><h1>401 Unauthorized</h1></body></html>"
SPA_PAGE = (
    '<!DOCTYPE html><html><head><meta name="firmware" content="other"><title>Login</title></head><body></body></html>'
)


def other_host(kind: OtherKind) -> Callable[[Request], Reply]:
    """A host that is no VNish miner: Bitmain stock, another firmware with JSON or a web app, or one that hangs."""

    def handle(request: Request) -> Reply:
        if kind == "hang":
            return Reply(delivery="hang")
        if kind == "stock":
            challenge = 'Digest realm="antMiner Configuration", nonce="0", qop="auth"'
            return Reply(
                401, STOCK_PAGE.encode(), "text/html", (("WWW-Authenticate", challenge), ("Server", "lighttpd"))
            )
        if kind == "other_json" and request.path.startswith(BASE):
            return json_reply({"fw_name": "SomethingElse", "fw_version": "24.3", "model": "s19jpro"})
        return text_reply(SPA_PAGE, content_type="text/html")

    return handle
