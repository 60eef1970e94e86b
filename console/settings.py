"""All settings. Runs with an empty environment: PostgreSQL and Redis are then started from the data folder.

Each variable is explained in docs/settings.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from console import embedded, environment
from console.theme import UNFOLD as UNFOLD  # how the console looks, and its menu

BASE_DIR = Path(__file__).resolve().parent.parent

# Where everything that must survive a restart lies: databases, keys, demo.json.
HEED_DATA = embedded.data_folder(environment.text("HEED_DATA", ""), BASE_DIR)

# Shows stack traces to everyone: for development only.
DEBUG = environment.switch("DEBUG")

# The web server: its port, the address that it listens on, its processes, and where people and apps reach it.
PORT = environment.whole("PORT", 8000, least=1, most=65535)
HEED_BIND = environment.text("HEED_BIND", "127.0.0.1")
HEED_WEB_WORKERS = environment.whole("HEED_WEB_WORKERS", 2, least=1, most=64)
HEED_BASE_URL = environment.origin("HEED_BASE_URL", environment.text("HEED_BASE_URL", f"http://localhost:{PORT}"))
IS_SECURE = HEED_BASE_URL.startswith("https://")

# Signs sessions; made once in the data folder where it is not given.
SECRET_KEY = environment.kept_secret("SECRET_KEY", HEED_DATA / "secret_key")

# Seals secrets at rest and signs links and receipts: `id:hex` pairs, the newest first.
HEED_KEK = environment.keys("HEED_KEK", HEED_DATA / "kek")

# Host names under which the site answers, beside that of HEED_BASE_URL.
ALLOWED_HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    HEED_BASE_URL.split("://")[1].rpartition(":")[0] or HEED_BASE_URL.split("://")[1],
    HEED_BASE_URL.split("://")[1].partition(":")[0],
    *environment.names("HEED_ALLOWED_HOSTS"),
]
CSRF_TRUSTED_ORIGINS = [HEED_BASE_URL]

# Sites whose pages may call the tracking API, beside our own.
HEED_CORS_ORIGINS = environment.origins("HEED_CORS_ORIGINS")

# Further push services, such as one of your own: exempt from the public-address and https rules.
HEED_PUSH_ORIGINS = environment.origins("HEED_PUSH_ORIGINS")

# Where FCM, its tokens and APNs are: a local gateway may stand in. What is named here is exempt from those rules too.
HEED_FCM_ORIGIN = environment.one_origin("HEED_FCM_ORIGIN", "https://fcm.googleapis.com")
HEED_FCM_TOKEN_ORIGIN = environment.one_origin("HEED_FCM_TOKEN_ORIGIN", "https://oauth2.googleapis.com")
HEED_APNS_ORIGIN = environment.one_origin("HEED_APNS_ORIGIN", "https://api.push.apple.com")
HEED_APNS_SANDBOX_ORIGIN = environment.one_origin("HEED_APNS_SANDBOX_ORIGIN", "https://api.sandbox.push.apple.com")
# Further certificate authorities that gateways may be signed by (PEM), beside the well-known ones.
HEED_CA_FILE = environment.file("HEED_CA_FILE")

# Receivers of webhooks in your own network: exempt from the public-address and https rules.
HEED_WEBHOOK_ORIGINS = environment.origins("HEED_WEBHOOK_ORIGINS")

# How many worker processes send, and how each of them works.
HEED_WORKERS = environment.whole("HEED_WORKERS", 2, least=0, most=64)
# How many more send transactional messages alone, so that no broadcast delays them; with none the others take them first.
HEED_TRANSACTIONAL_WORKERS = environment.whole("HEED_TRANSACTIONAL_WORKERS", 1, least=0, most=64)
# Pushes whose intent is committed together: at most so many are in doubt when a worker dies.
HEED_MICRO_BATCH = environment.whole("HEED_MICRO_BATCH", 64, least=1, most=1000)
# How long a worker owns what it claimed, in seconds of the database's clock.
HEED_LEASE_SECONDS = environment.number("HEED_LEASE_SECONDS", 30, least=1, most=600)
# Scales what delivery waits for (backoff, holds, breakers, the clock's ticks); drills run it faster.
HEED_TIME_SCALE = environment.number("HEED_TIME_SCALE", 1, least=0.001, most=10)

# The race tests' named stops in the worker; never on in production.
HEED_CHECKPOINTS = environment.switch("HEED_CHECKPOINTS")

# Requests a second that one address may send to the tracking API with one key; 0 is no limit.
HEED_TRACK_RATE = environment.number("HEED_TRACK_RATE", 100, least=0, most=1_000_000)
# Devices registered a second with a public key, for one source and site; forty seconds' worth may come at once.
HEED_DEVICE_RATE = environment.number("HEED_DEVICE_RATE", 50, least=0, most=1_000_000)

# How many proxies of yours stand in front: the client's address is taken from X-Forwarded-For, counted from the end.
HEED_PROXIES = environment.whole("HEED_PROXIES", 0, least=0, most=10)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_rq",
    "rest_framework",
    "django_filters",
    "csp",
    "audiences",
    "delivery",
    "campaigns",
    "console",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "console.tracking.straight.straight",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "console.nul.refuse_nul",
]

ROOT_URLCONF = "console.urls"
WSGI_APPLICATION = "console.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# PostgreSQL 15+. Without a URL: the embedded one, which `manage.py up` starts in the data folder.
DATABASES = {
    "default": environment.database(environment.text("DATABASE_URL", embedded.database_url(HEED_DATA)))
    | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
}
# A request or job that stays in a transaction without working must not hold rows for ever, nor one whose host or network
# is gone: both sides look after 10 s of silence, and give the connection up after 15 more.
KEEPALIVES = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
DATABASES["default"]["OPTIONS"] = {
    "options": "-c idle_in_transaction_session_timeout=60000 -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"
    " -c tcp_keepalives_count=3 -c tcp_user_timeout=25000",
    **KEEPALIVES,
    **DATABASES["default"]["OPTIONS"],  # type: ignore[dict-item]
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis 6.2+ or Valkey. It is disposable: hints and rate limits only.
REDIS_URL = environment.redis(environment.text("REDIS_URL", embedded.redis_url(HEED_DATA)))
RQ_QUEUES = {
    name: {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 180, "SERIALIZER": "rq.serializers.JSONSerializer"}
    for name in ("deliver", "deliver-now", "background")
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
# Moments by the clock of 24 hours.
FORMAT_MODULE_PATH = "console.formats"

STATIC_URL = "static/"
STATIC_ROOT = HEED_DATA / "static"
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "console.plotly_finder.PlotlyFinder",
]
# `manage.py up` collects and hashes them; until then (tests, development) they are served as they lie.
IS_COLLECTED = (STATIC_ROOT / "staticfiles.json").exists() and not DEBUG
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not IS_COLLECTED
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_COLLECTED or "collectstatic" in sys.argv
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Sign-in: sessions of 12 hours, strong hashes, the common lists of bad passwords.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
LOGIN_URL = "/console/login/"
LOGIN_REDIRECT_URL = "/console/"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_SECURE
SESSION_COOKIE_NAME = "__Host-heed-session" if IS_SECURE else "heed-session"
CSRF_COOKIE_NAME = "__Host-heed-csrf" if IS_SECURE else "heed-csrf"
SECURE_HSTS_SECONDS = 31_536_000 if IS_SECURE else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if environment.text("HEED_PROXIES", "0") != "0" else None
X_FRAME_OPTIONS = "DENY"

# What a page may load and run: nothing inline, no eval. The console's own pages may a little more (console/admin/site.py).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "https:"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# The tracking API reads bodies itself, up to its own limits.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["console.api.parsers.JsonBody"],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "console.api.problems.handle",
}

HEED_LOG_LEVEL = environment.choice("HEED_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "filters": {"masked": {"()": "console.log_masks.Masked"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["masked"]}},
    "root": {"handlers": ["stderr"], "level": HEED_LOG_LEVEL},
    "loggers": {
        "rq.worker": {"level": "WARNING"},
        "django.server": {"level": "WARNING"},
        # Whoever tries other names for this host gets a 400, and fills no log.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
