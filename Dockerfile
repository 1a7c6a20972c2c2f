# syntax=docker/dockerfile:1
#   docker build -t gistd .
#   docker run --rm -p 127.0.0.1:50051:50051 -v gistd-data:/var/lib/gistd gistd
FROM debian:12-slim AS build
WORKDIR /opt/gistd
# First what changes seldom: packages, LibTorch and the model stay cached.
COPY deploy/ deploy/
RUN GIST_CACHE_DIR=/tmp/wheels deploy/setup.sh \
    && rm -rf /tmp/wheels /var/lib/apt/lists/*
COPY . .
RUN deploy/build.sh release gistd gist && rm -r third_party/libtorch/torch/include

FROM debian:12-slim
COPY deploy/apt-runtime.txt /tmp/
RUN apt-get update \
    && sed 's/#.*//' /tmp/apt-runtime.txt \
       | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/apt-runtime.txt \
    && useradd --system --no-create-home gistd \
    && install -d -o gistd -g gistd /var/lib/gistd
# The same paths as in the build stage: gistd finds LibTorch, model and adapter there.
COPY --from=build /opt/gistd/third_party /opt/gistd/third_party
COPY --from=build /opt/gistd/adapters /opt/gistd/adapters
COPY --from=build /opt/gistd/LICENSE /opt/gistd/
COPY --from=build /opt/gistd/build/release/gistd /opt/gistd/build/release/gist \
    /opt/gistd/build/release/gist-data /opt/gistd/build/release/gist-plan \
    /opt/gistd/build/release/
ENV PATH=/opt/gistd/build/release:$PATH
USER gistd
VOLUME /var/lib/gistd
EXPOSE 50051 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["gist", "info"]
# Inside the container's own network; publish the ports on loopback, or behind TLS.
ENTRYPOINT ["gistd", "--listen", "0.0.0.0:50051", "--insecure-listen", "--admin", "0.0.0.0:9090", "--data-dir", "/var/lib/gistd"]
