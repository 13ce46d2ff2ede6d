"""Runs in Superset's environment: the page of explanations in a Flask application, asked by readers with the roles named on standard input.

    {"home": Superset's folder, "asked": [{"roles": […] or null, "address": …}, …]}

The answer is a line of JSON: status, policy and text of each.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

from explain_page import blueprint
from flask import Flask, g
from release_pin import watch_pages

order = json.load(sys.stdin)
app = Flask(__name__)
app.secret_key = "of this test"
app.config["DATA_DIR"] = order["home"]
app.register_blueprint(blueprint)
watch_pages(app)
here: list[list[str] | None] = [None]


@app.before_request
def sign_in() -> None:
    if here[0] is not None:
        g.user = SimpleNamespace(is_authenticated=True, roles=[SimpleNamespace(id=name, name=name) for name in here[0]])


found = []
for one in order["asked"]:
    here[0] = one["roles"]
    answer = app.test_client().get(one["address"])
    found.append(
        {"status": answer.status_code, "policy": answer.headers.get("Content-Security-Policy"), "text": answer.get_data(as_text=True)}
    )
sys.stdout.write(json.dumps(found))
