# What makes packages of Debian: no distribution has it, so it is built once, into the cache.
# shellcheck shell=bash
# shellcheck disable=SC2154 # qemu/setup.d/path.sh sets the cache

readonly cargo_deb_version=3.8.0
cargo_deb="$cache/tools/cargo/cargo-deb-$cargo_deb_version/bin/cargo-deb"

# In a debug build: it runs for a second, and is built in half a minute.
get_cargo_deb() {
    [ ! -x "$cargo_deb" ] || return 0
    echo "building cargo-deb $cargo_deb_version" >&2
    CARGO_TARGET_DIR="$cache/tools/cargo/build" cargo install --quiet --locked --debug --no-track \
        --root "${cargo_deb%/bin/*}" --version "$cargo_deb_version" --no-default-features cargo-deb >&2
    rm -rf "$cache/tools/cargo/build"
}
