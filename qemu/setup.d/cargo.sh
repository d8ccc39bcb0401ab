# Programs of Rust that no distribution has: each is built once, into the cache, when it is wanted.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # qemu/setup.d/path.sh sets the cache; others start the tools

readonly cargo_deb_version=3.8.0 cargo_deny_version=0.20.2 cargo_cyclonedx_version=0.5.9
cargo_deb="$cache/tools/cargo/cargo-deb-$cargo_deb_version/bin/cargo-deb"
cargo_deny="$cache/tools/cargo/cargo-deny-$cargo_deny_version/bin/cargo-deny"
cargo_cyclonedx="$cache/tools/cargo/cargo-cyclonedx-$cargo_cyclonedx_version/bin/cargo-cyclonedx"

# In a debug build: they run for a second, and are built in half a minute to four.
get_cargo_tool() { # PROGRAM VERSION ARGUMENT...
    local program="$1" name="${1##*/}"
    [ ! -x "$program" ] || return 0
    echo "building $name $2" >&2
    CARGO_TARGET_DIR="$cache/tools/cargo/build" cargo install --quiet --locked --debug --no-track \
        --root "${program%/bin/*}" --version "$2" "${@:3}" "$name" >&2
    rm -rf "$cache/tools/cargo/build"
}

# What makes packages of Debian.
get_cargo_deb() { get_cargo_tool "$cargo_deb" "$cargo_deb_version" --no-default-features; }

# What holds dependencies against deny.toml.
get_cargo_deny() { get_cargo_tool "$cargo_deny" "$cargo_deny_version" --no-default-features; }

# What writes an SBOM.
get_cargo_cyclonedx() { get_cargo_tool "$cargo_cyclonedx" "$cargo_cyclonedx_version"; }
