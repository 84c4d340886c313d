# syntax=docker/dockerfile:1
# Three images from one file: `docker build --target server|worker|sandbox .`
# BASE_IMAGE is any Debian 12 with a /bin/sh, for instance one imported from debootstrap.
ARG BASE_IMAGE=debian:12-slim

FROM ${BASE_IMAGE} AS base
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3.11 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/gengap/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# Everything that only building needs stays in this stage and its children; the images copy environments from them.
FROM base AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3.11-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3.11 -m venv /opt/gengap
WORKDIR /build
COPY pyproject.toml constraints.txt LICENSE README.md ./
COPY server server
COPY worker worker
COPY submissions submissions
COPY scoring scoring
COPY model_zoo model_zoo

# The web process never imports torch, so its image goes without torch and the libraries bundled for measures.
FROM build AS build-server
RUN python3.11 -c "import tomllib; \
        wanted = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
        print(*(w for w in wanted if not w.startswith(('torch', 'scikit-learn', 'safetensors'))), sep='\n')" \
        > server-requirements.txt \
    && pip install --no-cache-dir -c constraints.txt -r server-requirements.txt \
    && pip install --no-cache-dir --no-deps .

FROM build AS build-worker
RUN pip install --no-cache-dir -c constraints.txt .

# What a measure may import, and the two packages of ours that run inside a sandbox.
FROM build AS build-sandbox
RUN pip install --no-cache-dir -c constraints.txt torch numpy scipy scikit-learn safetensors \
    && install -d /opt/inside/model_zoo /opt/inside/worker \
    && cp -r model_zoo/architectures /opt/inside/model_zoo/ \
    && cp -r worker/harness /opt/inside/worker/

FROM base AS server
COPY --from=build-server /opt/gengap /opt/gengap
RUN useradd --uid 61001 --create-home --home-dir /data gengap
USER gengap
ENV GENGAP_HOME=/data/gengap GENGAP_HOST=0.0.0.0
VOLUME /data
EXPOSE 8000
CMD ["gengap", "serve"]

# bubblewrap makes namespaces, which Docker's default seccomp profile refuses: the container needs a profile that
# allows unshare and mount, or the Docker sandbox.
FROM base AS worker
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bubblewrap libseccomp2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build-worker /opt/gengap /opt/gengap
RUN useradd --uid 61001 --create-home --home-dir /data gengap
USER gengap
ENV GENGAP_HOME=/data/gengap GENGAP_CACHE=/data/cache
VOLUME /data
CMD ["gengap", "worker"]

FROM base AS sandbox
COPY --from=build-sandbox /opt/gengap /opt/gengap
COPY --from=build-sandbox /opt/inside /opt/inside
ENV PYTHONPATH=/opt/inside OMP_NUM_THREADS=1
RUN useradd --uid 61002 --no-create-home --shell /usr/sbin/nologin measure
USER measure
