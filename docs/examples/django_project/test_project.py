import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    os.environ["SHOP_FOLDER"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    sys.path.insert(0, str(HERE))
    manage("migrate", "--verbosity", "0")
    import django

    django.setup()
    return folder


def manage(*words):
    command = [sys.executable, str(HERE / "manage.py"), *words]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def client(folder):
    from django.test import Client

    return Client()


def test_an_order_is_packed_and_confirmed(folder, client):
    from orders.models import Order

    answer = client.post("/orders/", {"item": "tea", "email": "ada@example.org"})
    assert answer.status_code == 201
    manage("jobkit", "worker", "--burst")

    assert Order.objects.get(pk=answer.json()["order"]).packed
    [letter] = (folder / "outbox").iterdir()
    assert "Your tea is coming." in letter.read_text()


def test_an_order_that_is_none_enqueues_nothing(client):
    import jobkit

    assert client.post("/orders/", {"item": "tea"}).status_code == 400
    assert jobkit.inspect().stats().enqueued == 0


def test_the_project_is_checked(folder):
    manage("check", "--database", "default")
