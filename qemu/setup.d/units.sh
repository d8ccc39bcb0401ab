# What the cache is made of. A unit is one directory of it, from packages of one
# release, and is there whole or not at all.
# shellcheck shell=bash
# shellcheck disable=SC2034 # "describe" answers in variables

debian_of() { # x86_64|aarch64
    case "$1" in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    esac
}

# The architectures of packages that this call may ask for, as apt's setting.
apt_architectures() { # ARCH...
    local arch
    { echo "$host_debian"; for arch in "$@"; do debian_of "$arch"; done; } | sort -u | sed 's/.*/"&";/' | paste -s -d ' '
}

# The units that this call is about, one a line.
wanted_units() { # ARCH...
    local arch
    for arch in "$@"; do
        echo "tools/$arch"
        echo "$arch/cloud"
        echo "$arch/tools"
    done
    echo tools/disks
    [ "$first_kernel" = 0 ] || printf "%s\n" compilers linux-source
    [ "$demo" = 0 ] || return 0
    printf "%s\n" tools/tests tools/f2fs tools/raid tools/rauc tools/pages tools/scripts tools/forms bootstrap fuzz packaging
    # Debian builds GRUB's emulator for x86 only.
    [ "$host_debian" != amd64 ] || echo tools/grub
    for arch in "$@"; do
        printf "$arch/%s\n" generic cloud-13 generic-13 firmware stub rauc efibootmgr
        [ "$arch" != x86_64 ] || printf "%s\n" x86_64/shim x86_64/microvm
    done
}

# Of one unit: the release; the packages, alone or with what they depend on; for
# tools of this machine the programs, what they load while they run, and data.
# What is kept of other units is all but documents, or what "keep" matches. One that is
# "entered" is a small system, complete, for dist/packages/enter.
describe() { # UNIT
    local arch="${1%%/*}" debian
    debian="$(debian_of "$arch")"
    release=trixie closure=0 entered=0 packages=() programs=() loads=() data=() keep=()
    case "$1" in
    tools/x86_64)
        closure=1 packages=(qemu-system-x86 seabios ipxe-qemu) programs=(qemu-system-x86_64)
        loads=(qemu/hw-display-virtio-gpu.so qemu/hw-display-virtio-gpu-pci.so qemu/hw-display-virtio-vga.so)
        data=(share/qemu/{kvmvapic,linuxboot,linuxboot_dma,multiboot,multiboot_dma,pvh}.bin
            share/qemu/efi-{e1000,e1000e,rtl8139,virtio,vmxnet3}.rom share/qemu/keymaps/en-us
            share/seabios/{bios-256k,vgabios-stdvga,vgabios-virtio}.bin)
        ;;
    tools/aarch64)
        closure=1 packages=(qemu-system-arm ipxe-qemu) programs=(qemu-system-aarch64)
        loads=(qemu/hw-display-virtio-gpu.so qemu/hw-display-virtio-gpu-pci.so)
        data=(share/qemu/efi-{e1000,e1000e,rtl8139,virtio,vmxnet3}.rom share/qemu/keymaps/en-us)
        ;;
    tools/disks)
        closure=1 packages=(mtools dosfstools e2fsprogs fdisk)
        programs=(mcopy mdel mdir mmd mtype mkfs.vfat mke2fs debugfs e2fsck sfdisk)
        loads=(gconv/IBM850.so)
        data=(/etc/mke2fs.conf lib/gconv/gconv-modules lib/gconv/gconv-modules.d)
        ;;
    tools/tests)
        closure=1
        packages=(swtpm tpm2-tools xfsprogs btrfs-progs genisoimage cpio zstd xz-utils lz4 openssh-client
            systemd systemd-boot-tools grub-common qemu-utils)
        programs=(swtpm tpm2_eventlog mkfs.xfs mkfs.btrfs genisoimage cpio zstd xz lz4
            ssh ssh-keygen ssh-agent ssh-add bootctl systemd-analyze
            grub-syslinux2cfg grub-editenv grub-script-check qemu-img)
        loads=(libtss2-tcti-device.so.0 libtss2-tcti-swtpm.so.0)
        ;;
    tools/f2fs) closure=1 packages=(f2fs-tools) programs=(mkfs.f2fs sload.f2fs) ;;
    # GRUB itself, which scripts and menus are compared with, and what makes its
    # menus: grub-mkconfig as it was packaged, with absolute paths in it.
    tools/grub)
        closure=1 packages=(grub-emu grub2-common)
        programs=(grub-emu grub-file grub-mkrelpath)
        data=(sbin/grub-mkconfig share/grub/grub-mkconfig_lib share/grub/default /etc/grub.d)
        ;;
    # What makes updates on this machine, and what installs them in a guest.
    tools/rauc)
        closure=1 packages=(rauc squashfs-tools openssl libjson-glib-1.0-0)
        programs=(rauc mksquashfs openssl)
        data=(/etc/ssl/openssl.cnf)
        ;;
    # What shows manual pages, and the shells that complete what is typed.
    tools/pages)
        closure=1 packages=(mandoc groff-base zsh fish)
        programs=(mandoc groff troff grotty zsh fish)
        loads=(zsh/5.9/zsh/{compctl,complete,complist,computil,parameter,stat,terminfo,zle,zleparameter,zpty,zutil}.so)
        data=(share/groff/1.23.0 /etc/groff share/fish/functions share/zsh/functions/Completion/{compinit,compinstall,compdump,compaudit,Base,Unix,Zsh})
        ;;
    # What reads the superblocks of arrays, to compare with.
    tools/raid) closure=1 packages=(mdadm) programs=(mdadm) ;;
    # What reads the scripts that are in packages.
    tools/scripts) closure=1 packages=(shellcheck) programs=(shellcheck) ;;
    # What signs EFI programs, and what looks for faults in a FAT.
    tools/forms) closure=1 packages=(sbsigntool dosfstools) programs=(sbsign sbverify fsck.vfat) loads=(gconv/IBM850.so) ;;
    */rauc)
        closure=1 packages=("rauc:$debian" "dbus-daemon:$debian" "libjson-glib-1.0-0:$debian")
        keep=('bin/rauc' 'bin/dbus-daemon' 'lib/*/*.so.*' 'lib64/*.so.*' 'lib/*.so.*')
        ;;
    */efibootmgr)
        closure=1 packages=("efibootmgr:$debian")
        keep=('bin/efibootmgr' 'lib/*/*.so.*' 'lib64/*.so.*' 'lib/*.so.*')
        ;;
    */cloud) release=bookworm packages=("linux-image-cloud-$debian:$debian") ;;
    */generic) release=bookworm packages=("linux-image-$debian:$debian") ;;
    */cloud-13) packages=("linux-image-cloud-$debian:$debian") ;;
    */generic-13) packages=("linux-image-$debian:$debian") ;;
    */tools)
        closure=1 packages=("busybox-static:$debian" "kexec-tools:$debian")
        keep=('bin/busybox' 'sbin/kexec' 'lib/*/*.so.*' 'lib64/*.so.*' 'lib/*.so.*')
        ;;
    # For every architecture, which apt takes for the first that it was told of.
    x86_64/firmware) packages=(ovmf) keep=('OVMF/OVMF_*_4M*.fd') ;;
    aarch64/firmware)
        packages=(qemu-efi-aarch64)
        keep=('AAVMF/AAVMF_CODE.fd' 'AAVMF/AAVMF_CODE.no-secboot.fd' 'AAVMF/AAVMF_VARS.fd')
        ;;
    # What becomes of a kernel and an image one EFI program.
    */stub) packages=("systemd-boot-efi:$debian") keep=('boot/efi/linux*.efi.stub') ;;
    x86_64/microvm) packages=(seabios) keep=('seabios/bios-microvm.bin') ;;
    x86_64/shim)
        packages=(shim-signed:amd64 grub-efi-amd64-signed:amd64)
        keep=('shim/shimx64.efi.signed' 'grub/x86_64-efi-signed/grubx64.efi.signed')
        ;;
    # libFuzzer as it was compiled, so that no C++ compiler is needed; of the older
    # release, for every machine's C library has what it asks for.
    fuzz)
        release=bookworm
        packages=("libclang-rt-14-dev:$host_debian" "libstdc++-12-dev:$host_debian")
        keep=('libclang_rt.fuzzer-*.a' 'libstdc++.a')
        ;;
    # What checks packages, and what makes a repository of them.
    packaging)
        closure=1 entered=1
        packages=(lintian apt-utils sqop rpm makepkg base-files bash dash coreutils grep sed mawk findutils
            tar gzip xz-utils diffutils libc-bin)
        ;;
    # What compiles kernels of both architectures, with what their build calls.
    compilers)
        closure=1 entered=1
        packages=(gcc-x86-64-linux-gnu gcc-aarch64-linux-gnu gcc libc6-dev make bc bison flex libelf-dev
            libssl-dev openssl perl cpio xz-utils zstd gzip base-files bash dash coreutils grep sed mawk
            findutils tar diffutils libc-bin)
        ;;
    linux-source) packages=(linux-source-6.12) keep=('linux-source-6.12.tar.xz') ;;
    # What makes bare systems, for tests/bare and for whole guests.
    bootstrap) packages=(debootstrap debian-archive-keyring ubuntu-keyring) ;;
    *) die "there is no unit $1" ;;
    esac
}

# What stands for this description; another one makes the unit anew.
recipe() { # UNIT
    describe "$1"
    echo "1 $release $closure ${packages[*]} ${programs[*]} ${loads[*]} ${data[*]} ${keep[*]}"
}

is_complete() { # UNIT
    local have=""
    [ -e "$cache/$1/.complete" ] || return 1
    IFS= read -r have <"$cache/$1/.complete" || true
    [ "$have" = "$(recipe "$1")" ]
}
