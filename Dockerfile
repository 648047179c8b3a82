# Two images from one file: `--target app` (the default) and `--target mcp-sidecar`.
# `node scripts/pin-images.ts` names the base by its digest in .env, from where compose hands it on.
ARG BASE_IMAGE=node:24-bookworm-slim

FROM ${BASE_IMAGE} AS dependencies
WORKDIR /srv
COPY package.json package-lock.json .npmrc ./
# Optional packages bring Node to machines that have none: an image has its own.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM ${BASE_IMAGE} AS page
WORKDIR /srv
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json vite.config.ts ./
COPY admin-ui admin-ui
RUN npx --no-install vite build

FROM ${BASE_IMAGE} AS mcp-sidecar
# uvx, for MCP servers in Python; git, for those that are fetched from a repository.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv \
  && rm -rf /var/lib/apt/lists/* \
  && python3 -m venv /opt/uv \
  && /opt/uv/bin/pip install --no-cache-dir uv==0.13.8 \
  && ln -s /opt/uv/bin/uv /opt/uv/bin/uvx /usr/local/bin/ \
  && mkdir --mode 0711 /home/sidecar
# It runs as root, to give each MCP server a user of its own: of root's capabilities it needs SETUID
# and SETGID (to start a server as its user), KILL (to end it) and CHOWN (to give it a directory).
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3001 HOME=/home/sidecar MCP_SIDECAR_USERS=20000-29999
WORKDIR /srv
COPY --from=dependencies /srv/node_modules node_modules
COPY package.json ./
COPY mcp-sidecar mcp-sidecar
COPY src/config/variable.ts src/config/variable.ts
COPY src/openai src/openai
COPY src/secrets src/secrets
COPY src/tools/mcp/server-command.ts src/tools/mcp/server-command.ts
COPY scripts/check-health.ts scripts/check-health.ts
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "scripts/check-health.ts"]
CMD ["node", "mcp-sidecar/main.ts"]

FROM ${BASE_IMAGE} AS app
RUN useradd --create-home --uid 10001 app && mkdir -p /data /secrets && chown app:app /data /secrets
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
WORKDIR /srv
COPY --from=dependencies /srv/node_modules node_modules
COPY --from=page /srv/dist/admin dist/admin
COPY package.json ./
COPY drizzle drizzle
COPY mcp-sidecar mcp-sidecar
COPY mcp-stdio mcp-stdio
COPY scripts scripts
COPY src src
USER app
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "scripts/check-health.ts"]
CMD ["node", "src/node/main.ts"]
