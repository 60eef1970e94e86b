"""How gunicorn serves the site. `manage.py up` uses it; so may you: gunicorn -c python:console.gunicorn console.wsgi."""

import gc
import os
from importlib import import_module

from django.conf import settings

from console.parent import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
bind = f"{settings.HEED_BIND}:{settings.PORT}"
workers = settings.HEED_WEB_WORKERS
threads = 4
worker_class = "gthread"
# Access logs would hold the tokens of preference links; what matters is logged by the site itself.
accesslog = None
errorlog = "-"
loglevel = "warning"
timeout = 60
graceful_timeout = 10
keepalive = 30
# A control socket would lie in the home folder, where two installations would share it.
control_socket_disable = True


def post_worker_init(worker: object) -> None:
    """What is loaded by now lives as long as the process: the collector need not walk it again and again."""
    import_module(settings.ROOT_URLCONF)
    gc.collect()
    gc.freeze()


def on_starting(server: object) -> None:
    die_with_parent()
