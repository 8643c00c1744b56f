"""The cgminer API on TCP 4028, read-only: just what pyasic asks a VNish miner (CONTRACT section 8, last sentence).

A request is one JSON object; the answer is one, ended by a NUL, and the connection is closed. ``version`` is an
invalid command, as on the recorded S21 Pro: answering it would make pyasic take the miner for Bitmain stock.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from simulator.miner import SimMiner
from simulator.physics import HASHING, State

PORT = 4028
MAX_REQUEST_BYTES = 4_096
Json = dict[str, Any]


class CgminerProtocol(asyncio.Protocol):
    """One connection: one request, one answer."""

    def __init__(self, miner: SimMiner, connections: set[asyncio.Transport]) -> None:
        self._miner = miner
        self._connections = connections
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport = cast(asyncio.Transport, transport)
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._transport is not None:
            self._connections.discard(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer as soon as the object is complete."""
        if self._transport is None:
            return
        self._buffer += data
        try:
            request = json.loads(self._buffer.rstrip(b"\x00\n"))
        except (ValueError, RecursionError):
            if len(self._buffer) > MAX_REQUEST_BYTES:
                self._transport.abort()
            return
        command = request.get("command") if isinstance(request, dict) else None
        self._transport.write(json.dumps(answer(self._miner, str(command))).encode() + b"\x00")
        self._transport.close()


def answer(miner: SimMiner, command: str) -> Json:
    """One command, or several joined by ``+``."""
    with miner.lock:
        miner.settle()
        if "+" in command:
            return {part: [_one(miner, part)] for part in command.split("+")} | {"id": 1}
        return _one(miner, command)


def _one(miner: SimMiner, command: str) -> Json:
    build = _COMMANDS.get(command)
    if build is None:
        return {"STATUS": [_status(miner, "E", 0, "Invalid command")]}
    return build(miner)


def _status(miner: SimMiner, letter: str, code: int, text: str) -> Json:
    when = int(miner.clock.utc().timestamp())
    return {"STATUS": letter, "When": when, "Code": code, "Msg": text, "Description": "cgminer 4.11.1"}


def _miner_type(miner: SimMiner) -> str:
    return f"{miner.model.full_name} (Vnish {miner.model.firmware})"


def _elapsed_s(miner: SimMiner) -> int:
    return int(miner.physics.state_time_s(miner.clock.now_s()))


def _summary(miner: SimMiner) -> Json:
    hr_ghs = round(miner.physics.hashrate_ths(miner.clock.now_s()) * 1000, 2)
    return {
        "STATUS": [_status(miner, "S", 11, "Summary")],
        "SUMMARY": [
            {
                "Elapsed": _elapsed_s(miner), "GHS 5s": hr_ghs, "GHS av": hr_ghs, "GHS 30m": hr_ghs,
                "Found Blocks": 0, "Accepted": 1823, "Rejected": 10, "Hardware Errors": 57, "Best Share": 169988423,
            }
        ],
        "id": 1,
    }  # fmt: skip


def _stats(miner: SimMiner) -> Json:
    now_s = miner.clock.now_s()
    model, physics = miner.model, miner.physics
    hr_ghs = physics.hashrate_ths(now_s) * 1000
    ideal_ghs = model.preset(physics.running_preset).hashrate_ths * 1000
    boards = max(1, model.num_chains - physics.boards_out)
    state = physics.state(now_s)
    stats: Json = {
        "Elapsed": _elapsed_s(miner), "GHS 5s": f"{hr_ghs:.2f}", "GHS av": round(hr_ghs, 2), "fan_num": 4,
        "fan1": 5280, "fan2": 5310, "fan3": 5340, "fan4": 5370, "state": str(state),
        "total_rate": round(hr_ghs, 2), "total_rateideal": round(ideal_ghs, 2),
        "total_acn": model.chips_per_chain * model.num_chains,
    }  # fmt: skip
    for chain in range(1, model.num_chains + 1):
        works = chain <= boards and state in HASHING
        stats |= {
            f"temp_chip{chain}": "58-52-58-58",
            f"temp_pcb{chain}": "48-39-48-48",
            f"temp{chain}": 48,
            f"temp2_{chain}": 58,
            f"chain_consumption{chain}": round(physics.power_w(now_s) / boards) if works else 0,
            f"chain_rate{chain}": round(hr_ghs / boards, 2) if works else 0.0,
            f"chain_rateideal{chain}": round(ideal_ghs / model.num_chains, 2),
            f"chain_acn{chain}": model.chips_per_chain if works else 0,
            f"chain_state{chain}": "mining" if works else "failure" if state is State.FAILURE else "stopped",
        }
    head = {"Type": _miner_type(miner), "Miner": "0.0.0", "Cgminer": model.firmware, "CompileTime": "2025-05-29"}
    return {"STATUS": [_status(miner, "S", 70, "CGMiner stats")], "STATS": [head, stats], "id": 1}


def _devdetails(miner: SimMiner) -> Json:
    alias = miner.model.alias
    details = {
        "DEVDETAILS": 0, "Name": f"BTM_{alias.upper()}", "ID": 0, "Driver": f"bitmain_{alias}_drv", "Kernel": "",
        "Model": "", "Device Path": "",
    }  # fmt: skip
    return {"STATUS": [_status(miner, "S", 69, "Device Details")], "DEVDETAILS": [details], "id": 1}


def _pools(miner: SimMiner) -> Json:
    pool = {
        "POOL": 0, "URL": "pool.example:3333", "User": "farm.sim", "Status": "Alive", "Diff": "262K", "Accepted": 1599,
        "Rejected": 9, "Stale": 0, "Stratum Active": True,
    }  # fmt: skip
    return {"STATUS": [_status(miner, "S", 7, "1 Pool(s)")], "POOLS": [pool], "id": 1}


_COMMANDS: dict[str, Callable[[SimMiner], Json]] = {
    "summary": _summary,
    "stats": _stats,
    "devdetails": _devdetails,
    "pools": _pools,
}
