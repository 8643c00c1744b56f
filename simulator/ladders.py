"""Preset ladders and hardware facts of the simulated miner models, as data.

Names, watts and TH are the recorded ones (CONTRACT section 3, "/autotune/presets": S19j Pro 1.2.6, S19 1.2.6,
S21 Pro 1.2.7). Which presets are tuned is recorded for the S19j Pro and our choice for the other two, whose
records show machines that were never tuned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChangeMode = Literal["quick", "recent", "restart", "reboot"]
"""How a tuned preset is taken (CONTRACT section 4): ``quick`` at once; ``recent`` at once unless the last change
was moments ago, then ``restart_required``; ``restart`` always ``restart_required``; ``reboot`` both flags."""

DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Preset:
    """One operating point: the label's power in W and hashrate in TH/s."""

    name: str
    power_w: int
    hashrate_ths: float
    tuned: bool
    modded_psu_required: bool = False

    @property
    def pretty(self) -> str:
        """The firmware's text, e.g. ``2300 watt ~ 87 TH``."""
        if self.name == DISABLED:
            return "Disabled"
        return f"{self.power_w} watt ~ {self.hashrate_ths:g} TH"


@dataclass(frozen=True, slots=True)
class MinerModel:
    """Hardware facts of one miner model. ``disabled_*`` is what manual clocks really draw (W) and hash (TH/s)."""

    alias: str
    full_name: str
    series: str
    platform: str
    firmware: str
    chips_per_chain: int
    chips_per_domain: int
    stock_ths: float
    default_volt_10mv: int
    default_freq_mhz: int
    disabled_w: int
    disabled_ths: float
    power_metering: bool
    change_mode: ChangeMode
    presets: tuple[Preset, ...]
    num_chains: int = 3

    def preset(self, name: str) -> Preset:
        """The preset of that name; KeyError if the ladder has none."""
        for preset in self.presets:
            if preset.name == name:
                return preset
        raise KeyError(name)

    def steps(self) -> tuple[Preset, ...]:
        """The named presets in ascending watts, without ``disabled``."""
        return tuple(preset for preset in self.presets if preset.name != DISABLED)

    def highest_tuned(self) -> Preset:
        """The strongest preset that is tuned and runs on the stock power supply."""
        return max(
            (preset for preset in self.steps() if preset.tuned and not preset.modded_psu_required),
            key=lambda preset: preset.power_w,
        )


def _ladder(
    facts: tuple[tuple[int, float], ...], *, tuned_up_to_w: int, modded_from_w: int | None = None
) -> tuple[Preset, ...]:
    disabled = Preset(DISABLED, 0, 0.0, tuned=False)
    return (
        disabled,
        *(
            Preset(
                str(power_w),
                power_w,
                hashrate_ths,
                tuned=power_w <= tuned_up_to_w,
                modded_psu_required=modded_from_w is not None and power_w >= modded_from_w,
            )
            for power_w, hashrate_ths in facts
        ),
    )


_S19JPRO = (
    (1740, 65), (1800, 70), (1850, 76), (2000, 80), (2150, 83), (2300, 87), (2500, 92), (2700, 96), (2970, 100),
    (3080, 104), (3320, 110), (3580, 115), (3670, 120),
)  # fmt: skip
_S19 = (
    (1100, 53), (1300, 58), (1500, 63), (1700, 68), (1900, 73), (2100, 78), (2350, 85), (2620, 91), (2950, 99),
    (3200, 102), (3350, 105), (3750, 110), (4000, 115), (4260, 120), (4690, 124),
)  # fmt: skip
_S21PRO = (
    (2550, 170), (2640, 176), (2710, 182), (2800, 188), (2890, 194), (2980, 200), (3070, 206), (3160, 212),
    (3250, 218), (3340, 224), (3430, 230), (3520, 236), (3610, 242), (3700, 248), (3790, 254), (3880, 260),
    (3970, 266), (4060, 271), (4150, 277), (4240, 283), (4330, 289), (4420, 295), (4510, 301), (4600, 307),
    (4690, 313),
)  # fmt: skip

MODELS: dict[str, MinerModel] = {
    model.alias: model
    for model in (
        MinerModel(
            alias="s19jpro", full_name="Antminer S19j Pro", series="x19", platform="bb", firmware="1.2.6",
            chips_per_chain=126, chips_per_domain=3, stock_ths=104, default_volt_10mv=1380, default_freq_mhz=545,
            disabled_w=3250, disabled_ths=104, power_metering=False, change_mode="recent",
            presets=_ladder(_S19JPRO, tuned_up_to_w=2970, modded_from_w=3580),
        ),
        MinerModel(
            alias="s19", full_name="Antminer S19", series="x19", platform="xil", firmware="1.2.6",
            chips_per_chain=76, chips_per_domain=2, stock_ths=95.879, default_volt_10mv=1380, default_freq_mhz=675,
            disabled_w=3250, disabled_ths=95, power_metering=False, change_mode="restart",
            presets=_ladder(_S19, tuned_up_to_w=2950),
        ),
        MinerModel(
            alias="s21pro", full_name="Antminer S21 Pro", series="x21", platform="aml", firmware="1.2.7",
            chips_per_chain=65, chips_per_domain=5, stock_ths=237.088, default_volt_10mv=1300, default_freq_mhz=495,
            disabled_w=3510, disabled_ths=234, power_metering=True, change_mode="quick",
            presets=_ladder(_S21PRO, tuned_up_to_w=3610),
        ),
    )
}  # fmt: skip
