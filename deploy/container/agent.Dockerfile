# The agent, for an OpenClaw that runs in a container: both share the volume of OpenClaw's home, the user, and the process
# namespace (`pid: service:openclaw`), or the agent cannot see that the gateway has stopped.
# From the root of the sources: npm run build, then docker build -f deploy/container/agent.Dockerfile -t ocm-agent .
FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends iproute2 tini \
 && rm -rf /var/lib/apt/lists/*
COPY dist/ocm-agent.mjs /usr/lib/ocm-agent/
# The account of the official image of Node, which OpenClaw's images are made from.
USER node
VOLUME /home/node
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "node", "--report-exclude-env", "/usr/lib/ocm-agent/ocm-agent.mjs"]
CMD ["run", "--openclaw-home", "/home/node"]
