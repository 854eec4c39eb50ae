FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
RUN --mount=type=cache,id=caudal-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=caudal-target,target=/src/target \
    target=$(rustc --print host-tuple) \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --package caudal --target "$target" \
    && cp "target/$target/release/caudal" /caudal

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /caudal /caudal
USER 65532:65532
EXPOSE 8000 9090
ENTRYPOINT ["/caudal"]
