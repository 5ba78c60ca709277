# The service in a container. Build: docker build -t mien .   Run it with what stands before it: docker compose up
# Steps are those of the tested install (docs/deploying.md): the same versions from constraints.txt, the same extra.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
# The last line is the only other download: YuNet's file, whose SHA-256 is checked. Without it faces are found slowly.
RUN python -m venv /opt/mien \
    && /opt/mien/bin/pip install -c constraints.txt '.[service,aws]' \
    && MIEN_CACHE=/opt/mien/cache /opt/mien/bin/mien fetch yunet

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin mien \
    && install -d -o mien -g mien -m 700 /keys
COPY --from=build /opt/mien /opt/mien
ENV PATH=/opt/mien/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MIEN_CACHE=/opt/mien/cache \
    MIEN_SERVICE_HOST=0.0.0.0 \
    MIEN_SERVICE_KEYS=/keys/keys.json
USER 10001
VOLUME /keys
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["mien"]
CMD ["serve"]
