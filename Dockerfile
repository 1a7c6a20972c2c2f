# syntax=docker/dockerfile:1
#   docker build -t gistd .                          # on the CPU
#   docker build -t gistd:cuda --target cuda .       # for an NVIDIA GPU
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:50051:50051 -v gistd-data:/var/lib/gistd gistd
# deploy/compose.yaml has Prometheus and Grafana beside it.

# What both images run on: packages, and a user of their own.
FROM debian:12-slim AS runtime
COPY deploy/apt-runtime.txt /tmp/
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \
    && sed 's/#.*//' /tmp/apt-runtime.txt \
       | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/apt-runtime.txt \
    && groupadd --gid 5000 gistd \
    && useradd --uid 5000 --gid 5000 --no-create-home --shell /usr/sbin/nologin gistd \
    && install -d -o gistd -g gistd /var/lib/gistd
ENV PATH=/opt/gistd/build/release:$PATH GIST_HOME=/opt/gistd
COPY deploy/healthcheck.sh /opt/gistd/
# A number, so that Kubernetes can see that it is not root.
USER 5000
VOLUME /var/lib/gistd
EXPOSE 50051 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/opt/gistd/healthcheck.sh"]
# Inside the container's own network; publish the ports on loopback, or behind TLS.
ENTRYPOINT ["gistd", "--listen", "0.0.0.0:50051", "--insecure-listen", "--admin", "0.0.0.0:9090", "--data-dir", "/var/lib/gistd"]

# First what changes seldom: packages, LibTorch and the model stay cached.
FROM debian:12-slim AS build
WORKDIR /opt/gistd
COPY deploy/ deploy/
RUN GIST_CACHE_DIR=/tmp/wheels deploy/setup.sh \
    && rm -rf /tmp/wheels /var/lib/apt/lists/*
COPY . .
RUN GIST_TESTS=OFF deploy/build.sh release gistd gist gist-data gist-plan \
    && rm -r third_party/libtorch/torch/include

# The same with CUDA's compiler, from NVIDIA's packages for Debian 12: build/release
# holds libgist_cuda.so beside gistd.
FROM debian:12-slim AS build-cuda
WORKDIR /opt/gistd
ADD https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/cuda-keyring_1.1-1_all.deb /tmp/
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && dpkg -i /tmp/cuda-keyring_1.1-1_all.deb && apt-get update \
    && apt-get install -y --no-install-recommends cuda-nvcc-13-0 cuda-cudart-dev-13-0 \
    && rm -rf /tmp/*.deb /var/lib/apt/lists/*
ENV CUDACXX=/usr/local/cuda-13.0/bin/nvcc
COPY deploy/ deploy/
RUN GIST_CACHE_DIR=/tmp/wheels deploy/setup.sh cuda \
    && rm -rf /tmp/wheels /var/lib/apt/lists/*
COPY . .
RUN GIST_TESTS=OFF deploy/build.sh cuda gistd gist gist-data gist-plan gist_cuda \
    && rm -r third_party/libtorch-cuda/torch/include third_party/libtorch \
    && mv build/cuda build/release

FROM runtime AS cuda
COPY --from=build-cuda /opt/gistd/third_party /opt/gistd/third_party
COPY --from=build-cuda /opt/gistd/adapters /opt/gistd/adapters
COPY --from=build-cuda /opt/gistd/LICENSE /opt/gistd/
COPY --from=build-cuda /opt/gistd/build/release/gistd /opt/gistd/build/release/gist \
    /opt/gistd/build/release/gist-data /opt/gistd/build/release/gist-plan \
    /opt/gistd/build/release/libgist_cuda.so /opt/gistd/build/release/
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The last stage is what `docker build .` makes.
FROM runtime AS cpu
# The same paths as in the build stage: gistd finds LibTorch, model and adapter there.
COPY --from=build /opt/gistd/third_party /opt/gistd/third_party
COPY --from=build /opt/gistd/adapters /opt/gistd/adapters
COPY --from=build /opt/gistd/LICENSE /opt/gistd/
COPY --from=build /opt/gistd/build/release/gistd /opt/gistd/build/release/gist \
    /opt/gistd/build/release/gist-data /opt/gistd/build/release/gist-plan \
    /opt/gistd/build/release/
