# One Quorate node. Configuration comes from the environment (QUORATE_*), data lives in /data.
#   docker build --network=host -t quorate .
FROM python:3.11-slim-bookworm

# The node needs no rights: an unprivileged user owns its data and nothing else. A named volume takes over this owner.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin quorate \
 && mkdir /data && chown quorate:quorate /data \
 && python -m venv /opt/quorate
ENV PATH=/opt/quorate/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

# What the package depends on, in a layer of its own: it stays while only the source changes.
WORKDIR /build
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" >requirements.txt \
 && pip install -r requirements.txt

COPY . ./
RUN pip wheel --no-deps --wheel-dir wheel . && pip install --no-deps wheel/*.whl && rm -rf /build/*

WORKDIR /data
USER quorate
VOLUME /data
ENV QUORATE_DATA=/data \
    QUORATE_CLIENT__LISTEN=0.0.0.0:7001 \
    QUORATE_PEER__LISTEN=0.0.0.0:7101 \
    QUORATE_HTTP__LISTEN=0.0.0.0:7201
EXPOSE 7001 7101 7201

# Ready means: a leader is known and what was committed is applied.
HEALTHCHECK --interval=2s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7201/ready', timeout=2)"]

# SIGTERM hands over leadership and flushes before it exits.
ENTRYPOINT ["quorate"]
CMD ["node"]
