# Three images from one file: `docker build --target server|worker|sandbox .`, with BuildKit or without.
# BASE_IMAGE is any Debian 12 with a /bin/sh, for instance one imported from debootstrap.
# PIP_* are pip's own settings, for places that reach packages in a way of their own; they stay out of the images.
ARG BASE_IMAGE=debian:12-slim

FROM ${BASE_IMAGE} AS base
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3.11 ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ENV PATH=/opt/gengap/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# Everything that only building needs stays in this stage and its children; the images copy environments from them.
FROM base AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3.11-venv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
RUN python3.11 -m venv /opt/gengap
WORKDIR /build
COPY constraints.txt ./

# The web process never imports torch, so its image goes without torch and without what only workers use.
FROM build AS build-server
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
COPY pyproject.toml LICENSE README.md ./
RUN python3.11 -c "import tomllib; \
        wanted = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
        print(*(w for w in wanted if not w.startswith(('torch', 'scikit-learn', 'docker', 'h5py', 'google-crc32c', 'pillow'))), sep='\n')" \
        > server-requirements.txt \
    && pip install --no-cache-dir -c constraints.txt -r server-requirements.txt
COPY gengap gengap
COPY server server
COPY docs server/docs
COPY worker worker
COPY submissions submissions
COPY scoring scoring
COPY model_zoo model_zoo
RUN pip install --no-cache-dir --no-deps .

# What a measure may import. The worker's environment is the same and more.
FROM build AS build-libraries
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
RUN pip install --no-cache-dir -c constraints.txt torch numpy scipy scikit-learn safetensors

FROM build-libraries AS build-worker
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
COPY pyproject.toml LICENSE README.md ./
COPY gengap gengap
COPY server server
COPY docs server/docs
COPY worker worker
COPY submissions submissions
COPY scoring scoring
COPY model_zoo model_zoo
RUN pip install --no-cache-dir -c constraints.txt .

FROM base AS server
COPY --from=build-server /opt/gengap /opt/gengap
RUN useradd --uid 61001 --create-home --home-dir /data gengap
USER gengap
ENV GENGAP_HOME=/data/gengap GENGAP_CACHE=/data/cache GENGAP_HOST=0.0.0.0
VOLUME /data
EXPOSE 8000
CMD ["gengap", "serve"]

# With the Docker sandbox it needs the engine's socket; see docs/operations.md for what that means. bubblewrap makes
# namespaces, which Docker's default seccomp profile refuses: that needs a profile that allows unshare and mount.
FROM base AS worker
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bubblewrap libseccomp2 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build-worker /opt/gengap /opt/gengap
RUN useradd --uid 61001 --create-home --home-dir /data gengap
USER gengap
ENV GENGAP_HOME=/data/gengap GENGAP_CACHE=/data/cache
VOLUME /data
CMD ["gengap", "worker"]

# What a measure may import, the measures' helpers among it, and the two packages of ours that run inside a sandbox.
# The worker starts it.
FROM base AS sandbox
COPY --from=build-libraries /opt/gengap /opt/gengap
COPY model_zoo/architectures /opt/inside/model_zoo/architectures
COPY worker/harness /opt/inside/worker/harness
COPY submissions/baselines/gengap_measures /opt/inside/gengap_measures
RUN python3.11 -m compileall -q /opt/inside \
    && useradd --uid 61184 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin measure
USER measure
