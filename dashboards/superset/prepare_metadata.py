"""Bring Superset's metadata to the installed version, with its roles and one administrator; runs in Superset's environment.

One process instead of `superset db upgrade`, `fab create-admin` and `init`: each of these loads all of Superset again,
and `create-admin` would show the password in the process list.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask_migrate import upgrade
from sqlalchemy import inspect
from superset.app import create_app


def let_tables_share_names(engine: Any) -> None:
    """Several databases have a table of the same name here; an early migration forbids it, and its repeal has no effect on SQLite."""
    named = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
    if ["table_name"] not in [constraint["column_names"] for constraint in inspect(engine).get_unique_constraints("tables")]:
        return
    with engine.connect() as connection:
        # The table is made anew: what points at it must not object in between.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        # Left by a preparation that was killed.
        connection.exec_driver_sql("DROP TABLE IF EXISTS _alembic_tmp_tables")
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("tables", naming_convention=named) as batch:
            batch.drop_constraint("uq_tables_table_name", type_="unique")


def prepare_metadata(password_file: Path, username: str) -> None:
    app = create_app()
    with app.app_context():
        upgrade()
        from superset import appbuilder, db, security_manager

        let_tables_share_names(db.engine)
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        db.session.commit()
        if security_manager.find_user(username=username) is None:
            added = security_manager.add_user(
                username,
                "Tanlian",
                "Admin",
                "admin@localhost.invalid",
                security_manager.find_role("Admin"),
                password=password_file.read_text(encoding="ascii").strip(),
            )
            if not added:
                raise SystemExit(f"the administrator {username} could not be added")
            db.session.commit()


if __name__ == "__main__":
    prepare_metadata(Path(os.environ["TANLIAN_SUPERSET_HOME"]) / "admin_password", os.environ["TANLIAN_SUPERSET_ADMIN"])
