# Whole systems for guests: what debootstrap makes of a release, with a secure shell,
# Python and a kernel, as one file system in a file. It is only ever started with a
# copy-on-write disk over it. Made by root in a mount namespace, natively: the
# second stage of another architecture would have to run in a guest.
# shellcheck shell=bash

guest_packages=systemd-sysv,udev,dbus,openssh-server,python3,initramfs-tools,linux-image-cloud-amd64,iproute2,kmod,zstd

# What a login needs: a name, the network, a console, one key.
configure_guest() { # ROOT KEY
    echo debian >"$1/etc/hostname"
    echo '127.0.0.1 localhost debian' >"$1/etc/hosts"
    echo '/dev/vda / ext4 defaults 0 0' >"$1/etc/fstab"
    printf '[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\n' >"$1/etc/systemd/network/any.network"
    chroot "$1" systemctl -q enable systemd-networkd serial-getty@ttyS0
    chroot "$1" systemctl -q mask systemd-networkd-wait-online systemd-timesyncd
    install -d -m 700 "$1/root/.ssh"
    install -m 600 "$2.pub" "$1/root/.ssh/authorized_keys"
    : >"$1/etc/machine-id"
}

bootstrap_guest() { # RELEASE ROOT, in a namespace of its own
    DEBOOTSTRAP_DIR="$cache/bootstrap/usr/share/debootstrap" \
        "$cache/bootstrap/usr/sbin/debootstrap" --variant=minbase --include="$guest_packages" \
        --keyring="$(debian_keyring)" "$1" "$2" "$(cat "$cache/origin/.complete")"
}

# The file system in a file, made from the directory without mounting anything.
image_of() { # ROOT IMAGE
    truncate -s 3G "$2"
    "$cache/tools/bin/mke2fs" -q -t ext4 -L debian -d "$1" "$2"
}

build_guest() { # RELEASE PART
    local root="$2/root"
    mkdir -p "$root"
    mount --make-rprivate /
    bootstrap_guest "$1" "$root"
    configure_guest "$root" "$2/key"
    cp -L "$root"/boot/vmlinuz-* "$2/vmlinuz"
    cp -L "$root"/boot/initrd.img-* "$2/initrd"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    umount -R "$root/proc" "$root/sys" 2>/dev/null || true
    image_of "$root" "$2/disk.img"
    rm -rf "$root"
}

# Of its own: it takes minutes, and needs nothing that another set-up changes.
lock_for_guests() {
    flock -u 9
    exec 9>"$cache/debian/lock"
    flock -n 9 || { say "another set-up is making a whole Debian; waiting for it"; flock 9; }
    log_file="$cache/debian/log"
}

make_debian() { # RELEASE
    local made="$cache/debian/$1" part="$cache/debian/$1.part" command
    [ -e "$made/.complete" ] && return
    [ "$(id -u)" = 0 ] || die "a whole Debian is made by root: run qemu/setup --debian $1 as root, with TURNOUT_CACHE=$cache"
    [ "$host_debian" = amd64 ] || die "a whole Debian is made for amd64 on amd64, and this machine is $host_debian"
    for command in perl wget; do
        has "$command" || die "debootstrap needs $command: $(how_to_install "$command")"
    done
    mkdir -p "$cache/debian"
    lock_for_guests
    [ -e "$made/.complete" ] && return
    rm -rf "$part"
    mkdir -p "$part"
    "$cache/tools/bin/ssh-keygen" -q -t ed25519 -N '' -C turnout-guest -f "$part/key"
    say "making a whole Debian ($1), which takes some minutes"
    patiently "making a whole Debian ($1)" unshare --mount bash -c '
        set -euo pipefail
        cache="$1" tree="$2"
        source "$tree/qemu/setup.d/words.sh"
        source "$tree/qemu/setup.d/apt.sh"
        source "$tree/qemu/setup.d/debian.sh"
        rm -rf "$4/root" && build_guest "$3" "$4"' - "$cache" "$tree" "$1" "$part"
    touch "$part/.complete"
    mv -T "$part" "$made"
}
