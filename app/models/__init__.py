"""Every table, typed, with the unit in the column's name. No queries: those live in `app.store`.

One writer per column: operators (web, api) write what they decide; jobs write what they saw or did.
Spans are measured by stamps (wall clock + monotonic clock + boot), see `app.clock`.
"""

from app.models.audit import AuditEntry
from app.models.balance import BalanceCycle, PresetChangeRow
from app.models.fleet import (
    BoardSample,
    Miner,
    MinerInspection,
    MinerModel,
    MinerPreset,
    MinerSample,
    MinerStatusRow,
    ModelPreset,
    OtherHost,
)
from app.models.operation import Command, JobRun, OperatorRecord, SchedulerTerm, SettingChange, SettingRow
from app.models.people import ApiToken, LoginFailures, User, UserSession
from app.models.plant import PlantReadingRow, PlantRefusal, PlantSource

__all__ = [
    "ApiToken", "AuditEntry", "BalanceCycle", "BoardSample", "Command", "JobRun", "LoginFailures", "Miner",
    "MinerInspection", "MinerModel", "MinerPreset", "MinerSample", "MinerStatusRow", "ModelPreset", "OperatorRecord",
    "OtherHost", "PlantReadingRow", "PlantRefusal", "PlantSource", "PresetChangeRow", "SchedulerTerm", "SettingChange",
    "SettingRow", "User", "UserSession",
]  # fmt: skip
