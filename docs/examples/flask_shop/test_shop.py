import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    os.environ["SHOP_URL"] = f"sqlite:///{folder / 'shop.db'}"
    os.environ["SHOP_OUTBOX"] = str(folder / "outbox")
    sys.path.insert(0, str(HERE))
    from shop import create_app

    return create_app()


@pytest.fixture
def client(app):
    return app.test_client()


def test_an_order_is_confirmed_by_a_job(app, client):
    answer = client.post("/orders", data={"item": "tea", "email": "ada@example.org"})
    assert answer.status_code == 201

    worker = [sys.executable, "-m", "flask", "--app", "shop:create_app", "jobkit", "worker"]
    done = subprocess.run(
        [*worker, "--burst"], cwd=HERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    letter = Path(app.config["OUTBOX"], f"{answer.json['order']}.txt").read_text()
    assert letter == "To: ada@example.org\n\nYour tea is coming.\n"


def test_an_order_without_an_item_is_refused_and_enqueues_nothing(client):
    import jobkit

    assert client.post("/orders", data={"email": "ada@example.org"}).status_code == 400
    assert jobkit.inspect().stats().enqueued == 0


def test_the_dashboard_asks_who_is_there(client):
    assert client.get("/jobs/").status_code == 401
    assert client.get("/jobs/", auth=("admin", "secret")).status_code == 200
