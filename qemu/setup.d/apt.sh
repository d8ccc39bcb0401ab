# Private apt roots, one for each release: no root, no change of dpkg's list of
# architectures, and on Ubuntu another distribution's archive. The mirror and the
# keyring are this machine's where it is a Debian; only debootstrap knows good
# ones elsewhere, so it is fetched first.
# shellcheck shell=bash

apt_roots="$cache/apt"

# The host's proxies hold here too; its hooks and its sources do not.
host_network() {
    env -u APT_CONFIG apt-config dump | grep -E '^Acquire::(http|https|ftp|Force[A-Za-z0-9]*|Retries)(::|[ "])' || true
}

make_root() { # NAME; the lines of its sources on standard input
    local root="$apt_roots/$1"
    mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial" "$root/empty"
    : >"$root/status"
    cat >"$root/sources.list"
    cat >"$root/apt.conf" <<CONF
APT::Architecture "$host_debian";
APT::Architectures { $2 };
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Dir::Etc::main "$root/empty/none";
Dir::Etc::parts "$root/empty";
Dir::Etc::preferences "$root/empty/none";
Dir::Etc::preferencesparts "$root/empty";
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "$root/empty";
Dir::State "$root/state";
Dir::State::status "$root/status";
Dir::Cache "$root/cache";
Dir::Cache::srcpkgcache "";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
$(host_network)
CONF
}

in_root() { # NAME COMMAND...
    local root="$apt_roots/$1"
    shift
    APT_CONFIG="$root/apt.conf" "$@"
}

# "URI SUITE" of every archive in this machine's own sources.
host_archives() {
    mkdir -p "$apt_roots/lists/partial"
    env -u APT_CONFIG apt-get update --print-uris -o "Dir::State::lists=$apt_roots/lists" 2>/dev/null \
        | sed -nE "s,^'(.*)/dists/([^/]*)/InRelease' .*,\1 \2,p"
}

# The archive with this release itself, not its updates.
host_archive() {
    local uri suite
    while read -r uri suite; do
        case "$suite" in
        "$host_codename" | stable | oldstable | testing | sid) echo "$uri $suite" && return ;;
        esac
    done < <(host_archives)
    die "this machine's apt sources name no archive of $host_name: add \"deb MIRROR $host_codename main\" to /etc/apt/sources.list"
}

# Keys of the archive: of Debian those that debootstrap would use, of Ubuntu its own.
host_keyring() {
    local name
    for name in "$host_id-archive-keyring.gpg" "$host_id-archive-keyring.pgp"; do
        [ -e "/usr/share/keyrings/$name" ] && echo "/usr/share/keyrings/$name" && return
    done
    die "this machine has no /usr/share/keyrings/$host_id-archive-keyring.gpg: install $host_id-archive-keyring"
}

# What this machine's own archive has for us: the newest keys, and elsewhere than
# on Debian the program that knows Debian's mirrors.
fetch_origin() {
    [ -e "$cache/origin/.complete" ] && return
    local part="$cache/origin.part" archive keyring
    archive="$(host_archive)"
    keyring="$(host_keyring)"
    make_root host "\"$host_debian\";" <<<"deb [signed-by=$keyring] $archive main$([ "$host_id" = debian ] || echo ' universe')"
    say "reading the package lists of $host_name"
    patiently "reading the package lists of $host_name" in_root host apt-get -q update
    rm -rf "$part"
    mkdir -p "$part"
    patiently "fetching debootstrap and debian-archive-keyring" \
        in_directory "$part" in_root host apt-get -q download debootstrap debian-archive-keyring
    for package in "$part"/*.deb; do
        once "unpacking $package" dpkg-deb -x "$package" "$part"
    done
    debian_mirror "$part" "${archive% *}" >"$part/.complete"
    mv -T "$part" "$cache/origin"
}

in_directory() { (cd "$1" && "${@:2}"); } # DIRECTORY COMMAND...

debian_mirror() { # ORIGIN HOST-ARCHIVE
    if is_debian; then echo "$2" && return; fi
    local mirror
    mirror="$(sed -n 's/^DEF_MIRROR="\(.*\)"$/\1/p' "$1/usr/sbin/debootstrap")"
    [ -n "$mirror" ] || die "debootstrap states no default mirror: fetch Debian's packages on a Debian machine"
    echo "$mirror"
}

debian_keyring() {
    find "$cache/origin/usr/share/keyrings" -name 'debian-archive-keyring.*' | sort | head -n 1
}

# Lists of an interrupted run serve for an hour: an archive drops what it replaces.
prepare_release() { # bookworm|trixie
    [ -z "$(find "$apt_roots/$1/ready" -mmin -60 2>/dev/null)" ] || return 0
    fetch_origin
    make_root "$1" "$wanted_debian" \
        <<<"deb [signed-by=$(debian_keyring)] $(cat "$cache/origin/.complete") $1 main"
    say "reading the package lists of Debian's $1"
    patiently "reading the package lists of $1" in_root "$1" apt-get -q update
    touch "$apt_roots/$1/ready"
}
