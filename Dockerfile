FROM python:3.13-slim AS build
COPY . /source
# The versions that were tested. Without their hashes, which a constraint may not have.
RUN sed -n 's/^\([a-z0-9][^ ]*==[^ ;]*\).*/\1/p' /source/requirements.lock > /versions \
    && python -m venv /app \
    && /app/bin/pip install --no-cache-dir --constraint /versions /source

FROM python:3.13-slim
RUN useradd --system --no-create-home monitor
COPY --from=build /app /app
USER monitor
ENV TRAINING_MONITOR_HOST=0.0.0.0
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["/app/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["/app/bin/training-monitor"]
CMD ["serve"]
