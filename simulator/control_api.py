"""The control API on loopback: look at the truth, switch faults, force the river. JSON in, JSON out.

GET  /state, /miners
GET  /secrets    for a test that looks for leaks: per MAC every password, API key and session token there ever was
POST /miners/{mac|ip|index|model|all}/fault   {"fault": "slow", "args": {"seconds": 2}} or {"clear": "slow" | "all"}
POST /miners/{...}/action                     {"action": "reboot" | "technician_stop" | "technician_start"}
                                              {"action": "change_ip", "ip": "127.20.0.99"}, {"action": "preset", ...}
POST /plant/fault                             {"fault": "http500"} or {"clear": "http500" | "all"}
POST /plant/generation                        {"kw": 500} | {"factor": 0.5} | {"steps": [[10, 500]]} | {"day": true}
POST /plant/source                            {"name", "status", "value": "last|zero|omit"} or {"restore": name|"all"}
POST /plant/container                         {"name", "kw"} or {"remove": name}
POST /plant/unit                              {"unit": "MW" | "kW"}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulator.http_server import Reply, Request, json_reply
from simulator.miner import SimMiner
from simulator.physics import CgminerError, UnknownPresetError

if TYPE_CHECKING:
    from simulator.server import Simulator

Json = dict[str, Any]


class ControlApi:
    """Answers for one simulator; its ``handle`` is called in the loop's thread."""

    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator
        self._plant: dict[str, Callable[[Json], None]] = {
            "/plant/fault": self._plant_fault,
            "/plant/generation": self._generation,
            "/plant/source": self._source,
            "/plant/container": self._container,
            "/plant/unit": lambda body: simulator.plant.set_unit(body["unit"]),
        }

    def handle(self, request: Request) -> Reply:
        """One request; 400 with the reason where it cannot be done."""
        if "origin" in request.headers:
            return json_reply({"error": "not for web pages"}, 403)
        try:
            return self._route(request)
        except (KeyError, TypeError, AttributeError) as exc:
            return json_reply({"error": f"missing or wrong field: {exc}"}, 400)
        except LookupError as exc:
            return json_reply({"error": str(exc)}, 404)
        except (ValueError, OSError, CgminerError) as exc:
            return json_reply({"error": str(exc)}, 400)
        except UnknownPresetError as exc:
            return json_reply({"error": f"unknown preset {exc}"}, 400)

    def _route(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        if request.method == "GET" and request.path == "/":
            return json_reply({"help": (__doc__ or "").splitlines()})
        if request.method == "GET" and request.path in ("/state", "/miners"):
            return json_reply(state(self._sim) if request.path == "/state" else [view(m) for m in self._sim.miners])
        if request.method == "GET" and request.path == "/secrets":
            return json_reply({miner.mac: sorted(miner.auth.given_out) for miner in self._sim.miners})
        if request.method != "POST":
            return json_reply({"error": "not found"}, 404)
        body = request.json()
        if not isinstance(body, dict):
            return json_reply({"error": "a JSON object is needed"}, 400)
        if change := self._plant.get(request.path):
            change(body)
            return json_reply(self._sim.plant.state())
        if len(parts) == 3 and parts[0] == "miners" and parts[2] in ("fault", "action"):
            act = self._miner_fault if parts[2] == "fault" else self._miner_action
            return json_reply([view(miner) for miner in act(parts[1], body)])
        return json_reply({"error": "not found"}, 404)

    def _miner_fault(self, selector: str, body: Json) -> list[SimMiner]:
        if "clear" in body:
            self._sim.clear_faults(selector, None if body["clear"] in (None, "all") else body["clear"])
            return self._sim.farm.select(selector)
        return self._sim.set_fault(selector, body["fault"], **body.get("args", {}))

    def _miner_action(self, selector: str, body: Json) -> list[SimMiner]:
        action = body["action"]
        if action == "change_ip":
            self._sim.change_ip(selector, body["ip"])
            return self._sim.farm.select(body["ip"])
        chosen = self._sim.farm.select(selector)
        for miner in chosen:
            if action == "preset":
                miner.technician_preset(body["preset"])
            elif action in ("reboot", "technician_stop", "technician_start"):
                getattr(miner, action)()
            else:
                raise ValueError("action must be reboot, technician_stop, technician_start, preset or change_ip")
        return chosen

    def _plant_fault(self, body: Json) -> None:
        if "clear" in body:
            self._sim.plant.clear_faults(None if body["clear"] in (None, "all") else body["clear"])
        else:
            self._sim.plant.set_fault(body["fault"], **body.get("args", {}))

    def _generation(self, body: Json) -> None:
        plant = self._sim.plant
        if "kw" in body:
            plant.set_generation_kw(float(body["kw"]))
        elif "factor" in body:
            plant.multiply_generation(float(body["factor"]))
        elif "steps" in body:
            plant.set_generation_steps([(float(after_s), float(kw)) for after_s, kw in body["steps"]])
        elif body.get("day"):
            plant.resume_day()
        else:
            raise ValueError("generation needs kw, factor, steps or day")

    def _source(self, body: Json) -> None:
        if "restore" in body:
            self._sim.plant.restore_source(None if body["restore"] in (None, "all") else body["restore"])
        else:
            self._sim.plant.fail_source(body["name"], body.get("status", "timeout"), body.get("value", "last"))

    def _container(self, body: Json) -> None:
        if "remove" in body:
            self._sim.plant.remove_container(body["remove"])
        else:
            self._sim.plant.set_container_kw(body["name"], float(body["kw"]), has_miners=body.get("has_miners"))


def state(sim: Simulator) -> Json:
    """The whole truth in totals: what the plant gives and the miners really draw, W and TH/s."""
    states: dict[str, int] = {}
    for miner in sim.miners:
        states[miner.state] = states.get(miner.state, 0) + 1
    return {
        "plant": sim.plant.state(),
        "miners": {
            "count": len(sim.miners),
            "states": states,
            "power_w": round(sim.farm.draw_w(), 1),
            "hashrate_ths": round(sim.farm.hashrate_ths, 2),
            "max_power_w": round(sim.farm.max_power_w),
            "min_power_w": round(sim.farm.min_power_w),
        },
        "where": sim.where(),
    }


def view(miner: SimMiner) -> Json:
    """One miner's truth: real power in W whatever it reports."""
    return {
        "index": miner.index,
        "mac": miner.mac,
        "ip": miner.ip,
        "model": miner.model.alias,
        "state": miner.state,
        "running_preset": miner.running_preset,
        "saved_preset": miner.saved_preset,
        "power_w": round(miner.power_w, 1),
        "hashrate_ths": round(miner.hashrate_ths, 2),
        "faults": miner.faults.names(),
        "requests": sum(miner.requests.values()),
        "writes": len(miner.writes),
    }
