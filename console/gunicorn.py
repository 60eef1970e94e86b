"""How gunicorn serves the site. `manage.py up` uses it; so may you: gunicorn -c python:console.gunicorn console.wsgi."""

import os

from console.parent import die_with_parent

bind = f"{os.environ.get('HEED_BIND', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("HEED_WEB_WORKERS", "2"))
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


def on_starting(server: object) -> None:
    die_with_parent()
