"""Bring Superset's metadata to the installed version, with its roles and one administrator; runs in Superset's environment.

One process instead of `superset db upgrade`, `fab create-admin` and `init`: each of these loads all of Superset again,
and `create-admin` would show the password in the process list.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask_migrate import upgrade
from superset.app import create_app


def prepare_metadata(password_file: Path, username: str) -> None:
    app = create_app()
    with app.app_context():
        upgrade()
        from superset import appbuilder, db, security_manager

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
