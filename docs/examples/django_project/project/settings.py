import os
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(os.environ.get("SHOP_FOLDER", Path(__file__).parents[1]))
SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example")
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "project.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "shop.sqlite3"}}
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = FOLDER / "outbox"
INSTALLED_APPS = ["jobkit.contrib.django", "orders"]
if find_spec("django.tasks") is None:  # before Django 6
    INSTALLED_APPS.append("django_tasks")

JOBKIT = {"url": f"sqlite:///{FOLDER / 'jobs.sqlite3'}", "queues": ["default", "mailers"]}
TASKS = {
    "default": {
        "BACKEND": "jobkit.contrib.django.JobkitBackend",
        "QUEUES": ["default", "mailers"],
        "OPTIONS": {"enqueue_on_commit": "default", "retry": 5},
    }
}
