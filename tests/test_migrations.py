"""Migrations: they make exactly the tables of the models, keep child rows, and leave nothing half done."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import create_engine, inspect, text

from app import create_app, database_check
from app.config import Config
from app.errors import ConfigError
from app.extensions import Base, db, writing
from app.models import Miner, MinerModel, ModelPreset
from tests.conftest import ROOT

MIGRATIONS = ROOT / "migrations"


@pytest.fixture
def empty(config: Config) -> Iterator[Flask]:
    """The application on a database without tables."""
    app = create_app(config)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def own_migrations(folder: Path, body: str) -> Path:
    """A copy of the migrations with one more, made of the statements in `body`."""
    for path in MIGRATIONS.rglob("*"):
        if path.suffix in (".py", ".mako", ".ini"):
            copy = folder / path.relative_to(MIGRATIONS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    head = database_check.wanted_version()
    text = f"import sqlalchemy as sa\nfrom alembic import op\nrevision = 'more'\ndown_revision = '{head}'\n"
    text += "def upgrade():\n" + textwrap.indent(textwrap.dedent(body), "    ") + "\ndef downgrade():\n    pass\n"
    (folder / "versions" / "more.py").write_text(text)
    return folder


def test_the_migrations_make_the_tables_of_the_models(empty: Flask) -> None:
    upgrade(str(MIGRATIONS))
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database_check.check()


def test_migrated_tables_are_the_same_to_the_letter(empty: Flask, tmp_path: Path) -> None:
    """Checks, primary keys, WITHOUT ROWID: what the comparison does not see."""
    upgrade(str(MIGRATIONS))
    made = create_engine(f"sqlite:///{tmp_path}/made.db")
    Base.metadata.create_all(made)
    for table in Base.metadata.tables:
        assert _shape(db.engine, table) == _shape(made, table)
    made.dispose()


def _shape(engine: object, table: str) -> object:
    with engine.connect() as connection:  # type: ignore[attr-defined]
        sql = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :n"), {"n": table}).scalar_one()
    found = inspect(engine)
    assert found is not None
    columns = [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)]
    checks = sorted((c["name"] or "", c["sqltext"]) for c in found.get_check_constraints(table))
    keys = sorted((k["name"] or "", *k["constrained_columns"], k["options"].get("ondelete", ""))
                  for k in found.get_foreign_keys(table))  # fmt: skip
    return columns, checks, keys, found.get_pk_constraint(table), "WITHOUT ROWID" in sql


def test_changing_a_parent_table_keeps_its_children(empty: Flask, tmp_path: Path) -> None:
    upgrade(str(MIGRATIONS))
    with writing() as session:
        model = MinerModel(alias="s19", name="S19", created_at=_now())
        model.presets = [ModelPreset(name=str(watts), firmware_power_w=watts) for watts in range(5)]
        session.add(model)
        session.flush()
        session.add(Miner(mac="aa", ip="127.0.0.1", model=model, created_at=_now(), updated_at=_now()))
    db.session.remove()
    folder = own_migrations(tmp_path / "m", """
        with op.batch_alter_table("miner_models", recreate="always") as batch:
            batch.add_column(sa.Column("note", sa.String(20), nullable=True))
        """)  # fmt: skip
    upgrade(str(folder))
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM model_presets")).scalar_one() == 5
        assert connection.execute(text("SELECT note FROM miner_models")).all() == [(None,)]
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1  # on again


def test_a_migration_that_fails_halfway_leaves_nothing(empty: Flask, tmp_path: Path) -> None:
    upgrade(str(MIGRATIONS))
    folder = own_migrations(tmp_path / "m", """
        op.create_table("halfway", sa.Column("id", sa.Integer, primary_key=True))
        op.execute("SELECT * FROM nowhere")
        """)  # fmt: skip
    with pytest.raises(Exception, match="nowhere"):
        upgrade(str(folder))
    assert "halfway" not in inspect(db.engine).get_table_names()
    database_check.check()


def test_a_migration_that_leaves_orphans_is_taken_back(
    empty: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade(str(MIGRATIONS))
    with writing() as session:
        model = MinerModel(alias="s19", name="S19", created_at=_now())
        model.presets = [ModelPreset(name="2300")]
        session.add(model)
    db.session.remove()
    folder = own_migrations(tmp_path / "m", 'op.execute("DELETE FROM miner_models")')
    with pytest.raises(SystemExit):
        upgrade(str(folder))
    assert "point nowhere" in caplog.text
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM miner_models")).scalar_one() == 1


def test_changes_of_before_are_marked_where_they_are_their_miners_latest(empty: Flask) -> None:
    upgrade(str(MIGRATIONS), revision="0011")
    now = "2026-11-20 12:00:00"
    with db.engine.begin() as connection:
        for mac in ("aa", "bb", "cc"):
            connection.execute(
                text("INSERT INTO miners (mac, ip, firmware_version, hostname, hr_measure, created_at, updated_at)"
                     " VALUES (:mac, '127.0.0.1', '', '', 'GH/s', :now, :now)"),
                {"mac": mac, "now": now},
            )  # fmt: skip
        for miner_id in (1, 2, 1, 1):
            connection.execute(
                text("INSERT INTO preset_changes (miner_id, kind, origin, old_power_w, new_power_w, reason, attempt,"
                     " outcome, polled_unchanged, recorded_at, recorded_monotonic_s, recorded_boot_id)"
                     " VALUES (:miner_id, 'preset', 'balancer', 1, 2, '', 1, 'failed', 0, :now, 0, 'b')"),
                {"miner_id": miner_id, "now": now},
            )  # fmt: skip
    upgrade(str(MIGRATIONS))
    with db.engine.connect() as connection:
        found = connection.execute(text("SELECT id, miner_id FROM preset_changes WHERE is_latest ORDER BY id")).all()
    assert [tuple(row) for row in found] == [(2, 2), (4, 1)]


def test_a_database_without_tables_is_refused_with_the_way_out(empty: Flask) -> None:
    with pytest.raises(ConfigError, match=r"no tables yet.*db upgrade"):
        database_check.check()


def test_an_old_database_is_refused_with_the_way_out(app: Flask) -> None:
    with app.app_context():
        with writing() as session:
            session.execute(text("UPDATE alembic_version SET version_num = 'old'"))
        with pytest.raises(ConfigError, match=r"version old.*db upgrade"):
            database_check.check()


def test_a_database_that_is_no_database_is_refused(config: Config) -> None:
    assert config.database_path is not None
    config.database_path.write_bytes(b"not a database" * 100)
    with create_app(config).app_context(), pytest.raises(ConfigError, match="not a database"):
        database_check.check()


def test_a_full_or_read_only_database_is_refused(app: Flask) -> None:
    with app.app_context():
        database_check.check()
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")  # stays with the pooled connection
        with pytest.raises(ConfigError, match="cannot be written"):
            database_check.check()


def _now() -> object:
    from app.clock import utcnow

    return utcnow()
