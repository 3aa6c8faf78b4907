# Builds the program and puts it alone into a small image.
#
#   docker build -t switchyard .
#   docker run --rm -p 4000:4000 -v "$PWD/config.yaml:/etc/switchyard/config.yaml:ro" -e SWITCHYARD_MASTER_KEY switchyard

FROM rust:1.95-slim-trixie AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked

FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --uid 10001 switchyard
COPY --from=build /build/target/release/switchyard /usr/local/bin/switchyard
USER switchyard
EXPOSE 4000
STOPSIGNAL SIGTERM
ENTRYPOINT ["switchyard", "--config", "/etc/switchyard/config.yaml"]
