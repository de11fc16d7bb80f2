# What is installed is locked with hashes: requirements.lock to build with, requirements-server.lock to serve with.
FROM python:3.13-slim AS build
COPY requirements.lock requirements-server.lock /locks/
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes --requirement /locks/requirements.lock \
    && python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes --requirement /locks/requirements-server.lock
COPY . /source
RUN /build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /wheels /source \
    && /app/bin/pip install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM python:3.13-slim
# A folder of the user's, for a store without an address is a file in it.
RUN useradd --system --no-create-home monitor && install --directory --owner monitor /data
WORKDIR /data
COPY --from=build /app /app
USER monitor
ENV TRAINING_MONITOR_HOST=0.0.0.0
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["/app/bin/python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/healthz' % os.environ.get('TRAINING_MONITOR_PORT', 8000), timeout=2)"]
ENTRYPOINT ["/app/bin/training-monitor"]
CMD ["serve"]
