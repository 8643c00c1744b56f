"""The pages, and what stands at the door of pages and JSON API alike (guard, errors)."""

from __future__ import annotations

from flask import Flask

from app.web import (
    access,
    account,
    audit,
    cycles,
    dashboard,
    errors,
    events,
    formats,
    guard,
    health,
    language,
    login,
    metrics,
    miner_models,
    miners,
    orders,
    page,
    people,
    questionnaire,
    settings,
    settings_page,
    setup,
    source_roles,
)


def register(app: Flask) -> None:
    """Add guard, error answers, pages and probes to `app`. The configuration must be in its extensions already."""
    guard.install(app)
    access.install(app)
    errors.install(app)
    language.install(app)
    formats.install(app)
    page.install(app)
    for module in (dashboard, miners, miner_models, events, cycles, orders, setup, language, health, metrics):
        app.register_blueprint(module.bp)
    for bp in {module.bp for module in (settings, settings_page, source_roles, questionnaire)}:  # one that they share
        app.register_blueprint(bp)
    for module in (login, account, people, audit):
        app.register_blueprint(module.bp)
