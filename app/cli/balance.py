"""`flask balance`: one cycle by hand, or what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from flask.cli import with_appcontext

from app.cli import service
from app.clock import stamp
from app.core import plan as planning
from app.core import settings as rules
from app.core.types import ChangeKind, Plan, PresetChange
from app.errors import SettingError
from app.store import snapshot, terms


@click.command("balance")
@click.option("--dry-run", is_flag=True, help="Show what the next cycle would do; send nothing, store nothing.")
@click.option("--yes", is_flag=True, help="Really run one cycle: it may send changes to miners.")
@click.option("--policy", metavar="POLICY", help="With --dry-run: as if this policy were in force.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="With --dry-run: as if that were set.")
@with_appcontext
def balance(dry_run: bool, yes: bool, policy: str | None, assignments: tuple[str, ...]) -> None:
    """Run one balance cycle by hand, or show what it would do."""
    if dry_run == yes:
        raise click.UsageError("Say --dry-run to see the plan, or --yes to carry one cycle out.")
    changed = tried_settings(policy, assignments)
    if yes and changed:
        raise click.UsageError("--policy and --set go with --dry-run only: a real cycle follows the settings in force.")
    with service.database():
        if dry_run:
            _show_plan(changed)
            return
        with service.lease():
            service.run_job(service.new_runner(), "balancer")


def tried_settings(policy: str | None, assignments: tuple[str, ...]) -> dict[str, Any]:
    """Return the checked settings that --policy and --set ask for.

    Raises:
        click.UsageError: no such policy or setting, or a value it does not allow.
    """
    try:
        return rules.read(assignments if policy is None else (*assignments, f"policy={policy}"))
    except SettingError as error:
        raise click.UsageError(str(error)) from error


def words(changed: Mapping[str, Any]) -> str:
    """Return tried settings in words: "horizon_s 600, farm_limit_kw none"."""
    return ", ".join(f"{name} {'none' if value is None else value}" for name, value in changed.items())


def _show_plan(changed: Mapping[str, Any]) -> None:
    """Print the plan of this moment. Beside a running service it is the plan of that service's next cycle."""
    term = terms.acting() if service.acts() else None
    config = service.config()
    term_id = None if term is None else term.id
    picture = snapshot.load(
        stamp(),
        interval_s=config.balance_interval_s,
        reading_interval_s=config.plant_interval_s,
        term_id=term_id,
        changed=changed,
    )
    plan = planning.plan(picture)
    settings = picture.settings
    click.echo(f"{plan.status}: {plan.reason}")
    click.echo(f"policy {settings.policy}, mode {settings.mode}" + (f"; tried: {words(changed)}" if changed else ""))
    click.echo(
        f"target {plan.target_w / 1000:.1f} kW, current {plan.current_w / 1000:.1f} kW, after it "
        f"{plan.planned_w / 1000:.1f} kW, available {plan.available_kw:.1f} kW"
    )
    if plan.changes:
        click.echo(f"\n{'MAC':17}  {'change':22}  {'watts':>15}  {'sent':4}  reason")
    out = set(plan.sendable)
    for change in plan.changes:
        click.echo(_change_line(change, sent=change in out))
    if plan.skipped:
        click.echo(f"\n{'MAC':17}  passed over because")
    for skip in plan.skipped:
        click.echo(f"{skip.mac:17}  {skip.reason}")
    click.echo(f"\nevery other managed miner {plan.stays}")
    click.echo(f"\n{_conclusion(plan, len(out))}")


def _change_line(change: PresetChange, *, sent: bool) -> str:
    what = f"{change.old_preset or '?'} -> {change.new_preset}"
    if change.kind is not ChangeKind.PRESET:
        what = change.kind.value if change.new_preset is None else f"{change.kind} at {change.new_preset}"
    watts = f"{change.old_power_w:.0f} -> {change.new_power_w:.0f}"
    return f"{change.mac:17}  {what:22}  {watts:>15}  {'yes' if sent else 'no':4}  {change.reason}"


def _conclusion(plan: Plan, sendable_count: int) -> str:
    if not plan.changes:
        return "A cycle now would change nothing."
    if sendable_count < len(plan.changes):
        return f"A cycle now would send {sendable_count} of {len(plan.changes)} changes: the mode is not armed."
    return f"A cycle now would send {sendable_count} changes. Nothing was sent."
