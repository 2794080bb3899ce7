# A static executable in an empty image: `docker build -t llm-proxy .`
FROM rust:1.95-alpine AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package llm-proxy && cp target/release/llm-proxy /llm-proxy

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /llm-proxy /llm-proxy
USER 65532:65532
EXPOSE 4000
# Outside this container is another machine, so a master key must be given.
ENV HOST=0.0.0.0
ENTRYPOINT ["/llm-proxy"]
