# This machine: which system it is, its C linker, its Rust targets. The linker is
# the one thing that is ever installed here.
# shellcheck shell=bash

has() { command -v "$1" >/dev/null; }

of_system() { # VARIABLE OF OS-RELEASE
    # shellcheck disable=SC1091
    (. /etc/os-release 2>/dev/null && eval "echo \"\${$1:-}\"") || true
}

read_system() {
    host_name="$(of_system PRETTY_NAME)"
    host_name="${host_name:-this system}"
    host_codename="$(of_system VERSION_CODENAME)"
    host_id="$(of_system ID)"
    host_like=" $host_id $(of_system ID_LIKE) "
    has dpkg && host_debian="$(dpkg --print-architecture)" || host_debian=""
}

# TURNOUT_DEBIAN_ROOT=1 takes the way of all others, to test it here.
is_debian() { [ "$host_id" = debian ] && [ "${TURNOUT_DEBIAN_ROOT:-0}" = 0 ]; }

# How this system installs what Debian calls by these names.
how_to_install() { # PACKAGE...
    case "$host_like" in
    *" debian "* | *" ubuntu "*) echo "apt-get install $*" ;;
    *" fedora "* | *" rhel "*) echo "dnf install $(translated "$*" gcc glibc-devel dpkg apt)" ;;
    *" arch "*) echo "pacman -S $(translated "$*" gcc glibc dpkg apt)" ;;
    *" suse "*) echo "zypper install $(translated "$*" gcc glibc-devel dpkg apt)" ;;
    *" alpine "*) echo "apk add $(translated "$*" gcc musl-dev dpkg apt)" ;;
    *) echo "install what Debian calls $*" ;;
    esac
}

translated() { # DEBIAN'S-NAMES GCC LIBC DPKG APT
    sed "s/\<gcc\>/$2/; s/\<libc6-dev\>/$3/; s/\<dpkg\>/$4/; s/\<apt\>/$5/" <<<"$1"
}

links_c() { echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null; }

install_linker() {
    links_c && return
    local how
    how="$(how_to_install gcc libc6-dev)"
    case "$host_like" in
    *" debian "* | *" ubuntu "*) ;;
    *) die "there is no C linker, which Rust needs: $how" ;;
    esac
    [ "$(id -u)" = 0 ] || die "there is no C linker, which Rust needs; as root: $how"
    say "installing gcc and libc6-dev, as Rust needs a C linker; nothing else is installed here"
    patiently "reading this machine's package lists" apt-get -q update
    patiently "installing gcc libc6-dev" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-remove --no-install-recommends install gcc libc6-dev
    links_c || die "there is a gcc now, but it links no program: cc -x c - <<<'int main(void) { return 0; }' says why"
}

check_unpackers() {
    local missing=()
    has apt-get || missing+=(apt)
    has dpkg-deb || missing+=(dpkg)
    [ "${#missing[@]}" = 0 ] || die "Debian's packages are fetched by apt and unpacked by dpkg-deb, and $host_name lacks ${missing[*]}: $(how_to_install "${missing[@]}")"
    case "$host_debian" in
    amd64 | arm64) ;;
    *) die "the tools are fetched for amd64 and arm64, and this machine is $host_debian" ;;
    esac
}

musl_targets() { # ARCH...
    printf '%s-unknown-linux-musl\n' "$@"
}

# Looks for the target itself: asking rustup takes longer.
has_target() { [ -d "$(cd "$tree" && rustc --print sysroot)/lib/rustlib/$1/lib" ]; }

add_targets() { # ARCH...
    local target
    has rustc || die "there is no rustc: install Rust from rustup (rustup.rs), then run this again"
    for target in $(musl_targets "$@"); do
        has_target "$target" && continue
        has rustup || die "this Rust has no target $target and there is no rustup to add it: install Rust from rustup"
        say "adding Rust's target $target"
        patiently "rustup target add $target" in_directory "$tree" rustup target add "$target"
    done
}
