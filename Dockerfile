FROM python:3.13-slim AS build
COPY . /source
# The versions that were tested, each with what it is for: some packages have one for each Python. Without their hashes,
# which a constraint may not have.
RUN sed -n 's/^\([a-z0-9][^ ]*==[^\\]*[^\\ ]\) *\\*$/\1/p' /source/requirements.lock > /versions \
    && python -m venv /app \
    && /app/bin/pip install --no-cache-dir --constraint /versions /source

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
