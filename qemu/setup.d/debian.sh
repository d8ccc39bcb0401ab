# Whole systems for guests: what debootstrap makes of a release, with a secure shell,
# Python and a kernel, as one file system in a file. It is only ever started with a
# copy-on-write disk over it. Root makes one of this machine's own architecture by
# chroot in a mount namespace. For everybody else, and for the other architecture,
# nothing but unpacking happens here: what remains, debootstrap's second stage, runs
# in a guest.
# shellcheck shell=bash

guest_packages=systemd-sysv,udev,dbus,openssh-server,python3,initramfs-tools,iproute2,kmod,zstd
# What is there more where a release's name ends in "-server"; its kernel comes later.
server_packages=kexec-tools,kdump-tools,makedumpfile,grub-common,grub2-common,linux-base,apparmor

# For aarch64 beside two busy processors it took more than 24; without a word for so
# long it hangs.
second_stage_minutes=40
silent_minutes=15

console_of() { # ARCH
    case "$1" in
    x86_64) echo ttyS0 ;;
    aarch64) echo ttyAMA0 ;;
    esac
}

is_server() { [ "${1%-server}" != "$1" ]; } # RELEASE

# What a server is upgraded from and to: the older and the newer of the two newest
# kernels, in $PART/packages and then in the guest's /root/packages.
fetch_kernels() { # ARCH RELEASE PART
    is_server "$2" || return 0
    local release="${2%-server}" debian names
    debian="$(debian_of "$1")"
    kernel_archives "$release" | make_root kernels "\"$debian\";"
    patiently "reading the package lists of $release's kernels" in_root kernels apt-get -q update
    mapfile -t names < <(newest_kernels "$debian")
    [ "${#names[@]}" = 2 ] || die "Debian's archive has no two kernels for $2: try again when it has"
    mkdir -p "$3/packages"
    patiently "fetching two kernels" in_directory "$3/packages" \
        in_root kernels apt-get -q download "${names[@]/%/:$debian}"
    mv "$3/packages/${names[0]}"_*.deb "$3/packages/older.deb"
    mv "$3/packages/${names[1]}"_*.deb "$3/packages/newer.deb"
    rm -rf "$apt_roots/kernels"
}

kernel_archives() { # RELEASE
    local mirror signed
    signed="deb [signed-by=$(debian_keyring)]"
    mirror="$(cat "$cache/origin/.complete")"
    echo "$signed $mirror $1 main"
    echo "$signed $(security_archive "$mirror") $1-security main"
}

# The one in this machine's sources; elsewhere it lies beside the mirror.
security_archive() { # MIRROR
    local uri suite
    while read -r uri suite; do
        ! is_debian || [ "${suite%-security}" = "$suite" ] || { echo "$uri" && return; }
    done < <(host_archives)
    echo "${1%/}-security"
}

newest_kernels() { # DEBIAN-ARCH
    in_root kernels apt-cache search --names-only "^linux-image-[0-9].*-cloud-$1\$" \
        | cut -d ' ' -f 1 | cut -d : -f 1 | sort -V -u | tail -n 2
}

bootstrap_guest() { # ARCH RELEASE ROOT OPTION...
    local debian more
    debian="$(debian_of "$1")"
    more=",linux-image-cloud-$debian"
    ! is_server "$2" || more=",$server_packages"
    DEBOOTSTRAP_DIR="$cache/bootstrap/usr/share/debootstrap" \
        "$cache/bootstrap/usr/sbin/debootstrap" --variant=minbase --arch="$debian" \
        --include="$guest_packages$more" \
        --keyring="$(debian_keyring)" "${@:4}" "${2%-server}" "$3" "$(cat "$cache/origin/.complete")"
}

# What a login needs and no command has to be run for: a name, the network, one key.
write_settings() { # ROOT KEY
    echo debian >"$1/etc/hostname"
    echo '127.0.0.1 localhost debian' >"$1/etc/hosts"
    echo '/dev/vda / ext4 defaults 0 0' >"$1/etc/fstab"
    mkdir -p "$1/etc/systemd/network"
    printf '[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\n' >"$1/etc/systemd/network/any.network"
    install -d -m 700 "$1/root/.ssh"
    install -m 600 "$2.pub" "$1/root/.ssh/authorized_keys"
}

add_kernels() { # ROOT PART
    [ ! -e "$2/packages" ] || mv "$2/packages" "$1/root"
}

# The file system in a file, made from the directory without mounting anything.
image_of() { # ROOT IMAGE
    truncate -s 3G "$2"
    "$cache/tools/bin/mke2fs" -q -t ext4 -L debian -d "$1" "$2"
}

# In a namespace of its own.
build_by_chroot() { # ARCH RELEASE PART
    local root="$3/root"
    rm -rf "$root"
    mkdir -p "$root"
    mount --make-rprivate /
    bootstrap_guest "$1" "$2" "$root"
    write_settings "$root" "$3/key"
    add_kernels "$root" "$3"
    chroot "$root" /bin/sh -s "$(console_of "$1")" <"$tree/qemu/setup.d/settle"
    cp -L "$root"/boot/vmlinuz-* "$3/vmlinuz"
    cp -L "$root"/boot/initrd.img-* "$3/initrd"
    umount -R "$root/proc" "$root/sys" 2>/dev/null || true
    image_of "$root" "$3/disk.img"
    rm -rf "$root"
}

make_by_chroot() { # ARCH RELEASE PART
    patiently "making a whole Debian ($2, $1)" unshare --mount bash -c '
        set -euo pipefail
        cache="$1" tree="$2"
        for part in words apt units debian; do source "$tree/qemu/setup.d/$part.sh"; done
        build_by_chroot "$3" "$4" "$5"' - "$cache" "$tree" "$@"
}

# The first stage wants to be root, to make devices and to give files away. The
# guest has devices of its own, and everything there is given to root.
pretend_root() { # DIRECTORY
    mkdir -p "$1"
    printf '#!/bin/sh\necho 0\n' >"$1/id"
    printf '#!/bin/sh\n' >"$1/chown"
    printf '#!/bin/sh\nfor word; do case "$word" in /*) : >"$word" ;; esac; done\n' >"$1/mknod"
    chmod +x "$1"/*
}

# "container" keeps debootstrap from arrangements for the container that we may be in.
first_stage() { # ARCH RELEASE PART
    rm -rf "$3/root"
    pretend_root "$3/pretend"
    (
        umask 022
        export PATH="$3/pretend:$PATH" TAR_OPTIONS="--no-same-owner --same-permissions" container=lxc
        bootstrap_guest "$1" "$2" "$3/root" --foreign
    )
}

# The second stage reads the whole archive's list once for each dependency, which a
# translated processor takes minutes for: it gets what it is about.
shorten_lists() { # ROOT
    local list
    for list in "$1"/var/lib/apt/lists/*_Packages; do
        awk -v wanted="$(cut -d ' ' -f 1 "$1/debootstrap/debpaths" | paste -s -d ' ')" '
            BEGIN { RS = ""; ORS = "\n\n"; count = split(wanted, names, " "); for (i = 1; i <= count; i++) keep[names[i]] = 1 }
            $2 in keep' "$list" >"$list.short"
        mv "$list.short" "$list"
    done
}

# The unpacked system as a disk that goes on by itself when it is started.
make_first_disk() { # ARCH PART
    local root="$2/root"
    rm -rf "$root"/dev/* "$2/pretend"
    write_settings "$root" "$2/key"
    add_kernels "$root" "$2"
    shorten_lists "$root"
    install -m 755 "$tree"/qemu/setup.d/{second-stage,settle} "$root/debootstrap"
    once "making a disk of the unpacked system" image_of "$root" "$2/disk.img"
    rm -rf "$root"
}

second_stage_machine() { # ARCH IMAGE
    local board=(-M q35 -cpu max) console
    [ "$1" = x86_64 ] || board=(-M 'virt,gic-version=3' -cpu cortex-a57)
    console="$(console_of "$1")"
    exec "$cache/tools/bin/qemu-system-$1" "${board[@]}" -accel tcg -smp 2 -m 1G -display none \
        -nic none -monitor none -serial stdio -no-reboot \
        -kernel "$(find "$cache/$1/cloud-13/boot" -name 'vmlinuz-*')" \
        -append "root=/dev/nvme0n1 rootfstype=ext4 rootwait rw init=/debootstrap/second-stage line=$console console=$console quiet panic=-1" \
        -drive "file=${2//,/,,},format=raw,if=none,id=disk,cache=unsafe" \
        -device nvme,drive=disk,serial=debian
}

last_words() { # CONSOLE
    tr -d '\r' <"$1" | sed 's,^I: ,,' | grep . | tail -n 1 | cut -c 1-60 || true
}

is_silent() { [ -z "$(find "$1" -mmin "-$silent_minutes")" ]; } # CONSOLE

unfinished() { # ARCH CONSOLE HOW
    die "the guest that finishes a Debian for $1 $3: $(last_words "$2"); $2 says more, and the next run begins anew"
}

second_stage() { # ARCH PART
    local console="$2/console" start="$SECONDS" job
    second_stage_machine "$1" "$2/disk.img" </dev/null >"$console" 2>&1 9>&- &
    job=$!
    children+=("$job")
    while kill -0 "$job" 2>/dev/null; do
        progress "second stage in a guest, up to $second_stage_minutes min; $(((SECONDS - start) / 60)) min so far: $(last_words "$console")"
        is_silent "$console" && { kill "$job"; unfinished "$1" "$console" "said nothing for $silent_minutes min after"; }
        sleep 2
    done
    wait "$job" || true
    grep -q '^second stage: done' "$console" \
        || unfinished "$1" "$console" "ended after"
}

# Status 1: what a sudden end leaves behind was put right (e2fsck(8)).
make_sound() { "$cache/tools/bin/e2fsck" -fp "$1" || [ "$?" = 1 ]; } # DISK

# The guest's disk as it left it: sound, with a kernel and an initrd that are taken out.
take_kernel() { # PART
    local names name
    once "checking the guest's disk" make_sound "$1/disk.img"
    names="$("$cache/tools/bin/debugfs" -R 'ls -p /boot' "$1/disk.img" 2>/dev/null)"
    for name in vmlinuz initrd; do
        in_directory "$1" "$cache/tools/bin/debugfs" \
            -R "dump /boot/$(grep -oE "$name(\.img)?-[^/]*" <<<"$names" | head -n 1) $name" disk.img 2>/dev/null
        [ -s "$1/$name" ] || die "the guest left no $name in /boot of $1/disk.img; the next run begins anew"
    done
}

make_by_guest() { # ARCH RELEASE PART
    patiently "unpacking a Debian ($2, $1)" first_stage "$@"
    make_first_disk "$1" "$3"
    second_stage "$1" "$3"
    take_kernel "$3"
}

# Of its own: it takes minutes, and needs nothing that another set-up changes.
lock_for_guests() {
    flock -u 9
    exec 9>"$cache/debian/lock"
    flock -n 9 || { say "another set-up is making a whole Debian; waiting for it"; flock 9; }
    log_file="$cache/debian/log"
}

check_debian_means() {
    local command need=2000000000 have
    for command in perl wget; do
        has "$command" || die "debootstrap needs $command: $(how_to_install "$command")"
    done
    have="$(df --output=avail -B1 "$cache" | tail -n 1)"
    [ "$have" -ge "$need" ] || no_room "$need" "$have"
}

# What a system is made by; another one makes it anew.
debian_recipe() { # RELEASE
    local packages="$guest_packages"
    ! is_server "$1" || packages+=",$server_packages"
    { echo "$packages"; cat "$tree"/qemu/setup.d/{settle,second-stage}; } | sha256sum | cut -c 1-16
}

is_made() { # DIRECTORY RELEASE
    [ -e "$1/.complete" ] && [ "$(cat "$1/.complete")" = "$(debian_recipe "$2")" ]
}

make_debian() { # ARCH RELEASE
    local made="$cache/debian/$1/$2" part="$cache/debian/$1/$2.part" way=guest
    is_made "$made" "$2" && return
    check_debian_means
    mkdir -p "$cache/debian/$1"
    lock_for_guests
    is_made "$made" "$2" && return
    rm -rf "$part" "$made"
    mkdir -p "$part"
    "$cache/tools/bin/ssh-keygen" -q -t ed25519 -N '' -C turnout-guest -f "$part/key"
    [ "$(id -u)" != 0 ] || [ "$host_debian" != "$(debian_of "$1")" ] || way=chroot
    say "making a whole Debian ($2, $1), which takes some minutes"
    fetch_kernels "$1" "$2" "$part"
    "make_by_$way" "$1" "$2" "$part"
    debian_recipe "$2" >"$part/.complete"
    mv -T "$part" "$made"
    say "made a whole Debian ($2, $1)"
}
