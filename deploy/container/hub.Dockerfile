# The hub. From the root of the sources: npm run build, then docker build -f deploy/container/hub.Dockerfile -t ocm-hub .
# What goes in is what was built, so that an image holds the same bytes as the packages.
FROM node:24-bookworm-slim
# ssh: for nodes that are reached by it. The helper that it is started by is a process of its own, so there is an init.
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-client tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 8001 --home-dir /data --no-create-home ocm-hub \
 && install -d -m 0700 -o ocm-hub -g ocm-hub /data
COPY dist/ocm-hub.mjs dist/ocm-agent.mjs dist/install-agent.sh /usr/lib/ocm-hub/
COPY dist/ui /usr/lib/ocm-hub/ui
COPY dist/api-docs /usr/lib/ocm-hub/api-docs
USER ocm-hub
VOLUME /data
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8001/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "--report-exclude-env", "/usr/lib/ocm-hub/ocm-hub.mjs"]
# In a container loopback is the container's own. What is published, and behind which TLS, is said where it is run.
CMD ["serve", "--data", "/data", "--host", "0.0.0.0", "--insecure-http"]
