# The image of every process of the fleet; compose.yaml and deploy/kubernetes/ name the command of each.

FROM python:3.14-slim AS build
WORKDIR /build
COPY requirements.lock ./
# The installer out of the lock, held against its hashes. pip would install the whole lock, with the
# tools for development; uv takes the lock as a constraint: what the fleet needs and no more, and each
# file is still held against its hashes.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt \
 && pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement uv.txt \
 && python -m venv --without-pip /venv
COPY pyproject.toml ./
RUN uv pip install --no-cache --python /venv/bin/python --only-binary :all: \
      --constraint requirements.lock --requirement pyproject.toml --extra fleet --extra channels --extra tracing
COPY README.md LICENSE ./
COPY src ./src
RUN uv pip install --no-cache --python /venv/bin/python --build-constraint requirements.lock --no-deps .

FROM python:3.14-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /app --shell /usr/sbin/nologin watchfleet \
 && install --directory --owner=10001 --group=10001 /var/lib/watchfleet
COPY --from=build /venv /venv
WORKDIR /app
COPY pyproject.toml celeryconfig.py ./
COPY alert_channels ./alert_channels
COPY migrations ./migrations
COPY schedules ./schedules
COPY tasks ./tasks
COPY workers ./workers
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WATCHFLEET_LIVENESS_FILE=/tmp/alive
USER 10001:10001
EXPOSE 8420 5555
# Fits workers and beats. The web process and Flower have one of their own where they run.
HEALTHCHECK --interval=60s --timeout=5s --start-period=60s --retries=3 \
  CMD ["sh", "-c", "test -n \"$(find /tmp/alive -mmin -5)\""]
CMD ["watchfleet", "--help"]
