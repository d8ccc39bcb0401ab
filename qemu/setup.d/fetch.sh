# From units to packages in the cache: what is needed is worked out for all of
# them first, so that the space can be checked and the progress counted.
# shellcheck shell=bash

debs="$cache/debs"
plans="$cache/plan"

# Dependencies of packages that none of our programs loads or reads.
unused='python|libpython|perl|libperl|debconf|dpkg|tar|udev|passwd|login|adduser|openssl|openssl-provider'
unused+='|media-types|netbase|tzdata|readline-common|init-system-helpers|mount|base-passwd|libpam-modules|libpam-runtime|gettext'
unused+='|libicu|libsemanage|systemd-boot-efi|ucf|sensible-utils|libjson-glib|dmsetup|cdebconf|initramfs|kmod'
unused+='|libllvm|libz3-|mesa-libgallium|x11-common|xkb-data|libx11-data|lsb-base|libasound2-data|libsensors'
unused+='|linux-base|ipxe-qemu-256k|libfreetype6-dev|bzip2|e2fsprogs-l10n|libatopology|alsa|libcups|gcc-14-base'

real_kernel() { # RELEASE PACKAGE:ARCH; the package itself is empty
    in_root "$1" apt-cache depends "$2" \
        | sed -nE 's/^ *Depends: (linux-image-[^ :]*).*/\1/p' | head -n 1
}

# Files named by apt, as specifications that name one version.
specifications() { # uri file size hash, a line each, on standard input
    awk '{ print $2 }' | sed -E 's/%3a/:/; s/^([^_]+)_([^_]+)_([^_]+)\.deb$/\1 \3 \2/' \
        | awk '{ print $1 ($2 == "all" ? "" : ":" $2) "=" $3 }'
}

closure_of() { # RELEASE PACKAGE...
    in_root "$1" apt-get --print-uris -qq -y install "${@:2}" >"$cache/log" 2>&1 \
        || give_up "${*:2}" "$cache/log"
    grep "^'" "$cache/log" | specifications | without_unused "${@:2}"
}

# What a unit names stays, and all of one that is entered.
without_unused() { # PACKAGE...; specifications on standard input
    local named
    if [ "$entered" = 1 ]; then cat && return; fi
    named="$(printf '%s\n' "${@%%:*}" | paste -s -d '|')"
    awk -v named="^($named)[:=]" -v unused="^($unused)" '$0 ~ named || $0 !~ unused'
}

exact() { # RELEASE PACKAGE...
    local package
    for package in "${@:2}"; do
        case "$package" in
        linux-image-*) echo "$(real_kernel "$1" "$package"):${package#*:}" ;;
        *) echo "$package" ;;
        esac
    done
}

# One line for each package of a unit: file, bytes, hash, release, specification.
plan_unit() { # UNIT
    local plan="$plans/${1//\//-}" specs
    describe "$1"
    prepare_release "$release"
    if [ "$closure" = 1 ]; then
        specs="$(closure_of "$release" "${packages[@]}")" || stop
    else
        specs="$(exact "$release" "${packages[@]}")" || stop
    fi
    # shellcheck disable=SC2086 # one word a package
    in_root "$release" apt-get --print-uris -qq download $specs >"$cache/log" 2>&1 \
        || give_up "$1" "$cache/log"
    sed -nE "s/^'[^']*' ([^ ]+) ([0-9]+) SHA256:([0-9a-f]+).*/\1 \2 \3 $release/p" "$cache/log" >"$plan.part"
    [ -s "$plan.part" ] || die "apt names no file for $1: $(head -n 1 "$cache/log")"
    # shellcheck disable=SC2086
    in_root "$release" apt-cache show $specs 2>/dev/null \
        | awk '/^Installed-Size:/ { sum += $2 } END { print sum * 1024 }' >"$plan.unpacked"
    mv "$plan.part" "$plan"
}

whole_plan() { # UNIT...
    local unit
    for unit in "$@"; do cat "$plans/${unit//\//-}"; done | sort -u
}

# What of a plan lies there whole; sizes only, the hashes are read once at the end.
fetched() { # PLAN-FILE, prints "packages bytes"
    local file size rest count=0 bytes=0 have
    while read -r file size rest; do
        have="$(stat -c %s "$debs/$file" 2>/dev/null || echo 0)"
        bytes=$((bytes + have))
        [ "$have" != "$size" ] || count=$((count + 1))
    done <"$1"
    echo "$count $bytes"
}

lacking() { # PLAN-FILE RELEASE; prints specifications
    local file size hash release
    while read -r file size hash release; do
        [ "$release" = "$2" ] || continue
        [ "$(stat -c %s "$debs/$file" 2>/dev/null || echo 0)" = "$size" ] || echo "x $file"
    done <"$1" | specifications
}

# Package lists are read before anything says how large the rest is.
check_list_space() {
    local need=350000000 have
    have="$(df --output=avail -B1 "$cache" | tail -n 1)"
    [ "$have" -ge "$need" ] || no_room "$need" "$have"
}

no_room() { # NEED HAVE
    die "$cache needs $(megabytes "$1") MB and has $(megabytes "$2"): make room there, or set TURNOUT_CACHE to a directory elsewhere"
}

check_space() { # PLAN-FILE UNIT...
    local plan="$1" need have unit
    shift
    need="$(awk '{ sum += $2 } END { print sum + 100000000 }' "$plan")"
    need=$((need - $(fetched "$plan" | cut -d ' ' -f 2)))
    for unit in "$@"; do need=$((need + $(cat "$plans/${unit//\//-}.unpacked"))); done
    have="$(df --output=avail -B1 "$cache" | tail -n 1)"
    [ "$have" -ge "$need" ] || no_room "$need" "$have"
}

download() { # RELEASE SPECIFICATION...
    in_directory "$debs" in_root "$1" apt-get -q download "${@:2}"
}

# Runs a download and says how far it is until it ends.
watch_download() { # PLAN-FILE RELEASE SPECIFICATION...
    local plan="$1" job total packages now
    shift
    total="$(awk '{ sum += $2 } END { print sum + 0 }' "$plan")"
    packages="$(wc -l <"$plan")"
    download "$@" &
    job=$!
    children+=("$job")
    while kill -0 "$job" 2>/dev/null; do
        read -r -a now < <(fetched "$plan")
        progress "fetching ${now[0]} of $packages, $(megabytes "${now[1]}") of $(megabytes "$total") MB"
        sleep 0.5
    done
    wait "$job"
}

# A file of the right size and wrong bytes is fetched again.
verify() { # PLAN-FILE
    local bad
    bad="$(awk '{ print $3 "  " $1 }' "$1" | in_directory "$debs" sha256sum -c --quiet 2>/dev/null || true)"
    [ -z "$bad" ] && return
    sed -n 's/: FAILED.*//p' <<<"$bad" | in_directory "$debs" xargs -r rm -f
    return 1
}

fetch_release() { # PLAN-FILE RELEASE
    local specs
    specs="$(lacking "$1" "$2")"
    # shellcheck disable=SC2086 # one word a package
    [ -z "$specs" ] || watch_download "$1" "$2" $specs
}

fetch_all() { # PLAN-FILE
    local release
    for release in $(awk '{ print $4 }' "$1" | sort -u); do
        fetch_release "$1" "$release" || return 1
    done
    verify "$1" || { echo "a package came with other bytes than its list says"; return 1; }
}

fetch() { # UNIT...
    local unit done=0 plan="$plans/all"
    mkdir -p "$debs" "$plans"
    for unit in "$@"; do
        progress "looking up packages, $done of $# parts"
        plan_unit "$unit"
        done=$((done + 1))
    done
    whole_plan "$@" >"$plan"
    check_space "$plan" "$@"
    patiently "fetching packages" fetch_all "$plan"
    say "fetched $(wc -l <"$plan") packages, $(megabytes "$(awk '{ sum += $2 } END { print sum + 0 }' "$plan")") MB"
}
