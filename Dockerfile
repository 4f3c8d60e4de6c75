# npm pack && docker build -t regsweep .
# docker stop registry && docker run --rm --volumes-from registry regsweep plan -m
FROM node:22-slim
COPY regsweep-*.tgz /tmp/
RUN NODE_DISABLE_COMPILE_CACHE=1 npm install --global --offline --no-audit --no-fund /tmp/regsweep-*.tgz && rm /tmp/regsweep-*.tgz
ENTRYPOINT ["regsweep"]
