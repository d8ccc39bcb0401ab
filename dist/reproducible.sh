# Sourced by dist/release and dist/packages/build: what bytes of a program depend on beside the tree,
# the compilers and the folders. Cargo's configuration cannot name the folders to be forgotten.
# shellcheck shell=bash

# "FOLDER=NAME" a line: panics say where they are in the source. Crates lie where this user's
# cargo has put them; the library's source, where it is installed, lies in the toolchain.
forgotten_folders() { # TREE
    local sources
    echo "$1=/turnout"
    for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do echo "$sources=/crates"; done
    echo "$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p')"
}

# Added to what .cargo/config.toml says of the two targets.
forget_folders() { # TREE
    local flags="" line
    while read -r line; do
        # Cargo divides these flags by blanks.
        case "$line" in
        *[[:space:]]*) die "${line%=*} has a blank in its name: release from another folder" ;;
        esac
        flags+=" --remap-path-prefix=$line"
    done < <(forgotten_folders "$1")
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="$flags"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="$flags"
}

# zstd is C. It is compiled with the headers of glibc and linked with musl, which has none of
# the checked variants that distributions' compilers put in.
compiler_for() { # RUST-ARCH
    local cross="$1-linux-gnu-gcc"
    if [ "$1" = "$(uname -m)" ]; then
        echo "${CC:-cc}"
    elif command -v "$cross" >/dev/null; then
        echo "$cross"
    else
        die "no C compiler for $1: install gcc-${1//_/-}-linux-gnu, or build on such a machine"
    fi
}
