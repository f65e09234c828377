# syntax=docker/dockerfile:1
# Two images from one source: `slim` for supervisors, auditors and edges, `executor` with CrewAI as well.
# What is installed is what requirements/ locks, by digest.

ARG NODE=node:24-bookworm-slim
ARG PYTHON=python:3.11-slim-bookworm

# --- The browser app ---------------------------------------------------------------------------------------

FROM ${NODE} AS app
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY frontend ./
RUN npm run build

# --- The wheel, with the app in it -------------------------------------------------------------------------

FROM ${PYTHON} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes --no-deps -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY lastword lastword
COPY --from=app /src/lastword/http/ui lastword/http/ui
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# --- What each image runs ----------------------------------------------------------------------------------

FROM ${PYTHON} AS slim-environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/lastword
COPY requirements/slim.txt /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/lastword/bin/pip install --require-hashes --no-deps -r /tmp/slim.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /opt/lastword/bin/pip install --no-deps --no-index /wheels/*.whl

FROM ${PYTHON} AS executor-environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/lastword
COPY requirements/runtime.txt /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/lastword/bin/pip install --require-hashes --no-deps -r /tmp/runtime.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /opt/lastword/bin/pip install --no-deps --no-index /wheels/*.whl

# --- The images --------------------------------------------------------------------------------------------

FROM ${PYTHON} AS base
ENV PATH=/opt/lastword/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    LASTWORD_DATA_DIR=/var/lib/lastword
# Without a name of its own: whoever runs it as another user can write to the data folder as well.
RUN install --directory --owner=10001 --group=10001 --mode=1777 /var/lib/lastword
USER 10001:10001
WORKDIR /var/lib/lastword
ENTRYPOINT ["lastword"]
CMD ["--help"]

FROM base AS executor
COPY --from=executor-environment /opt/lastword /opt/lastword
WORKDIR /work
CMD ["run", "executor"]

FROM base AS slim
COPY --from=slim-environment /opt/lastword /opt/lastword
EXPOSE 8484
CMD ["run", "edge"]
