# The desk from scratch: one static file, no shell, nobody's user. examples/host/README.md says how to run it.
#
#   docker build -t deskwire .       from nothing but this directory
#   make image                       the last stage alone, from a binary that is built here

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
# For TLS, a part of which is in C.
RUN apt-get update && apt-get install --yes --no-install-recommends musl-tools
RUN rustup target add "$(uname -m)-unknown-linux-musl"
RUN make static FEATURES=tls && cp target/*-musl/release/deskwire /deskwire

FROM scratch
COPY --from=build /deskwire /deskwire
USER 65532:65532
# In a container only what is published is reached from outside. Others than this machine need tokens: the desk does not
# start without DESKWIRE_STAFF_TOKEN or DESKWIRE_STAFF_FILE.
ENV DESKWIRE_LISTEN=0.0.0.0:8000
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s CMD ["/deskwire", "doctor", "--local"]
ENTRYPOINT ["/deskwire"]
