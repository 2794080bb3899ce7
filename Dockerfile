# A static-free, shell-free image of the gateway: `docker build -t llm-proxy .`
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package llm-proxy && cp target/release/llm-proxy /llm-proxy

# Has glibc, certificates and a user without rights; nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /llm-proxy /usr/local/bin/llm-proxy
EXPOSE 4000
# Outside this container is another machine: a master key must be given.
ENV HOST=0.0.0.0
ENTRYPOINT ["/usr/local/bin/llm-proxy"]
