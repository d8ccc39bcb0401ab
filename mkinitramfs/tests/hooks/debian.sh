# Packages as Debian has them, made by dpkg-deb: kernels, whose scripts call the hooks, what makes
# initrds, also by a trigger, what makes the menu, and Turnout.
# shellcheck shell=bash

packages=/test/packages
mkdir -p "$packages"

# What is in $packages/NAME becomes $packages/NAME.deb.
pack() { # NAME VERSION
    local root="$packages/$1"
    mkdir -p "$root/DEBIAN"
    cat >"$root/DEBIAN/control" <<CONTROL
Package: $1
Version: $2
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: $1, made up for a test
CONTROL
    dpkg-deb --root-owner-group -Znone -b "$root" "$packages/$1.deb" >/dev/null
}

script() { # PACKAGE NAME; its text on standard input
    mkdir -p "$packages/$1/DEBIAN"
    { echo '#!/bin/sh'; echo 'set -e'; cat; } >"$packages/$1/DEBIAN/$2"
    chmod 755 "$packages/$1/DEBIAN/$2"
}

put() { # FILE OFFSET BYTES, as printf has them
    printf '%b' "$3" | dd of="$1" bs=1 seek="$(($2))" conv=notrunc status=none
}

# What the boot protocol of x86 (2.15) wants to see of a kernel, and no code.
x86_kernel() { # FILE
    head -c 5120 /dev/zero >"$1"
    put "$1" 0x1f1 '\x01'
    put "$1" 0x1f5 '\x01'
    put "$1" 0x1fe '\x55\xaa\xeb\x6aHdrS\x0f\x02'
    put "$1" 0x211 '\x01'
    put "$1" 0x232 '\x20\x00\x01\x15\x7f'
    put "$1" 0x238 '\xff\x07'
    put "$1" 0x25b '\x01'
    put "$1" 0x262 '\x10'
}

# Another for each VERSION.
kernel_image() { # VERSION
    if [ ! -e /test/kernel ]; then
        case "$(uname -m)" in
        x86_64) x86_kernel /test/kernel ;;
        *) gzip -dc /test/Image.gz >/test/kernel ;;
        esac
    fi
    cat /test/kernel
    echo "$1"
}

# The packages of src:linux call the hooks so (linux-run-hooks(1)).
kernel_package() { # RELEASE VERSION
    local name="linux-image-$1" when
    rm -rf "${packages:?}/$name"
    # Its modules are looked for below the directory that stands for the machine (as_machine).
    mkdir -p "$packages/$name/boot/lib/modules/$1"
    : >"$packages/$name/boot/lib/modules/$1/vmlinuz"
    kernel_image "$2" >"$packages/$name/boot/vmlinuz-$1"
    for when in postinst postrm; do
        script "$name" "$when" <<SCRIPT
export DEB_MAINT_PARAMS="\$*"
[ ! -d /etc/kernel/$when.d ] || run-parts --report --exit-on-error \
    --arg=$1 --arg=/boot/vmlinuz-$1 /etc/kernel/$when.d
SCRIPT
    done
    pack "$name" "$2"
}

# An initrd is its kernel's release and how often it was made.
initramfs_package() {
    local root="$packages/initramfs-tools"
    mkdir -p "$root/usr/sbin" "$root/etc/kernel/postinst.d" "$root/etc/kernel/postrm.d" "$root/DEBIAN"
    cat >"$root/usr/sbin/make-initrd" <<'SCRIPT'
#!/bin/sh
set -e
echo "$1" >>/var/made
echo "initrd $1 $(grep -c . /var/made)" >"/boot/initrd.img-$1.new"
mv "/boot/initrd.img-$1.new" "/boot/initrd.img-$1"
run-parts --arg="$1" --arg="/boot/initrd.img-$1" /etc/initramfs/post-update.d
SCRIPT
    cat >"$root/etc/kernel/postinst.d/initramfs-tools" <<'SCRIPT'
#!/bin/sh
exec make-initrd "$1"
SCRIPT
    cat >"$root/etc/kernel/postrm.d/initramfs-tools" <<'SCRIPT'
#!/bin/sh
[ -e "$2" ] || rm -f "/boot/initrd.img-$1"
SCRIPT
    chmod 755 "$root/usr/sbin/make-initrd" "$root"/etc/kernel/post*.d/*
    echo 'interest-noawait update-initramfs' >"$root/DEBIAN/triggers"
    script initramfs-tools postinst <<'SCRIPT'
[ "$1" != triggered ] || for kernel in $(ls /boot/vmlinuz-* | tail -n 1); do
    make-initrd "${kernel#/boot/vmlinuz-}"
done
SCRIPT
    pack initramfs-tools 1
}

# A package whose installation has the initrd made anew, as firmware-* and the like.
triggering_package() {
    script firmware postinst <<<'dpkg-trigger --no-await update-initramfs'
    pack firmware 1
}

# One that no hook hears of.
plain_package() {
    pack plain 1
}

# The newest kernel first, as update-grub has it.
grub_package() {
    local root="$packages/grub" when
    mkdir -p "$root/usr/sbin"
    cat >"$root/usr/sbin/update-grub" <<'SCRIPT'
#!/bin/sh
mkdir -p /boot/grub
{
    echo 'set default=0'
    for kernel in $(ls /boot/vmlinuz-* | grep -v dpkg | sort -r); do
        release=${kernel#/boot/vmlinuz-}
        echo "menuentry 'Debian, Linux $release' --id gnulinux-$release {"
        echo "  linux /vmlinuz-$release root=LABEL=root ro"
        echo "  initrd /initrd.img-$release"
        echo '}'
    done
} >/boot/grub/grub.cfg.new && mv /boot/grub/grub.cfg.new /boot/grub/grub.cfg
SCRIPT
    for when in postinst postrm; do
        mkdir -p "$root/etc/kernel/$when.d"
        cat >"$root/etc/kernel/$when.d/zz-update-grub" <<'SCRIPT'
#!/bin/sh
case "$DEB_MAINT_PARAMS" in upgrade*) ;; *) exec update-grub ;; esac
SCRIPT
        chmod 755 "$root/etc/kernel/$when.d/zz-update-grub"
    done
    chmod 755 "$root/usr/sbin/update-grub"
    pack grub 1
}

# By the paths of the real package; what it does else is not this test's.
turnout_package() {
    local root="$packages/turnout"
    mkdir -p "$root"/{usr/sbin,usr/bin,usr/lib/turnout,usr/lib/kernel/install.d,etc/{kernel/{postinst,postrm}.d,initramfs/post-update.d,apt/apt.conf.d},DEBIAN}
    # Links, because programs with what a debugger needs are large.
    ln -s /test/turnout "$root/usr/sbin/turnout"
    ln -s /test/turnout-sign "$root/usr/bin/turnout-sign"
    cp /test/hooks/upkeep "$root/usr/lib/turnout/upkeep"
    cp /test/hooks/kernel-postinst "$root/etc/kernel/postinst.d/zzz-turnout"
    cp /test/hooks/kernel-postrm "$root/etc/kernel/postrm.d/zzz-turnout"
    cp /test/hooks/initramfs-post-update "$root/etc/initramfs/post-update.d/zzz-turnout"
    cp /test/hooks/apt.conf "$root/etc/apt/apt.conf.d/99turnout"
    cp /test/hooks/95-turnout.install "$root/usr/lib/kernel/install.d/"
    cp /test/debian/prerm /test/debian/postrm "$root/DEBIAN/"
    chmod 755 "$root"/DEBIAN/p*rm
    (cd "$root" && find etc -type f | sed 's,^,/,') >"$root/DEBIAN/conffiles"
    pack turnout 1
}
