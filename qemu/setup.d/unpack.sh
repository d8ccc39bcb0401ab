# From packages to units: unpacked beside its place, cut down to what is used, and
# moved there whole.
# shellcheck shell=bash

documents=(--exclude=./usr/share/{doc,doc-base,man,info,lintian,locale,bug,help,bash-completion,applications,icons}
    --exclude='./boot/System.map-*')

extract() { # DEB DIRECTORY
    local left_out=("${documents[@]}")
    # There lintian is a program, and elsewhere a word to it.
    [ "$entered" = 0 ] || left_out=(--exclude=./usr/share/{doc,doc-base,info,help,icons,locale})
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner --keep-directory-symlink "${left_out[@]}"
}

unpack_unit() { # UNIT
    local part="$cache/$1.part" file rest
    rm -rf "$part"
    mkdir -p "$part"
    describe "$1"
    while read -r file rest; do
        once "unpacking $file" extract "$debs/$file" "$part"
    done <"$plans/${1//\//-}"
    case "$1" in
    tools/*) collect_programs "$part" ;;
    packaging | compilers) settle_system "$part" ;;
    fuzz) keep_only "$part" && flatten "$part" ;;
    *) keep_only "$part" ;;
    esac
    { recipe "$1"; cut -d ' ' -f 1 "$plans/${1//\//-}"; } >"$part/.complete"
    rm -rf "${cache:?}/$1"
    mv -T "$part" "$cache/$1"
    case "$1" in
    tools/*) write_starters "$1" ;;
    esac
}

# What its packages would do when they are configured, as far as their programs ask for it.
settle_system() { # DIRECTORY
    ln -sf mawk "$1/usr/bin/awk"
    ln -sf debian "$1/etc/dpkg/origins/default"
    mkdir -p "$1/mnt" "$1"/var/lib/dpkg/{info,updates,triggers}
    : >"$1/var/lib/dpkg/status"
}

# Libraries of deep directories, in one.
flatten() { # DIRECTORY
    mkdir "$1/lib"
    find "$1/usr" -name '*.a' -exec mv -t "$1/lib" {} +
    rm -rf "$1/usr"
}

# Everything that no pattern of "keep" matches goes; without patterns all stays. What
# a link that stays leads to has to stay as well.
keep_only() { # DIRECTORY
    [ "${#keep[@]}" != 0 ] || return 0
    local pattern tests=() lost
    for pattern in "${keep[@]}"; do tests+=(! -path "*/$pattern"); done
    find "$1" ! -type d "${tests[@]}" -delete
    find "$1" -mindepth 1 -type d -empty -delete
    lost="$(find "$1" -xtype l | head -n 1)"
    [ -z "$lost" ] || die "${lost#"$1/"} leads to $(readlink "$lost"), which was not kept: add it to qemu/setup.d/units.sh"
}
