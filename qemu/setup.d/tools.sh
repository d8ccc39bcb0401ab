# Programs that run on this machine out of the cache. Each is started through the
# loader that was unpacked with it, so that it meets the libraries it was built
# for; nothing of this machine's own libraries or data is looked at.
# shellcheck shell=bash

loader_of() { # ROOT
    find "$1/usr/lib" -name 'ld-linux*.so.*' ! -type d | head -n 1
}

program_in() { # ROOT NAME
    local place
    for place in usr/bin usr/sbin bin sbin; do
        [ -e "$1/$place/$2" ] && realpath "$1/$place/$2" && return
    done
    die "no package brought the program $2"
}

library_in() { # ROOT NAME
    local found
    found="$(find "$1/usr/lib" -path "*/$2" | head -n 1)"
    [ -n "$found" ] || die "no package brought the library $2"
    realpath "$found"
}

# What the loader finds for a program or library: "NAME PATH" lines.
libraries_of() { # ROOT LIBRARY-PATH FILE
    local log="$cache/log" missing
    "$(loader_of "$1")" --inhibit-cache --library-path "$2" --list "$3" >"$log" 2>&1 || true
    missing="$(sed -nE 's,^[[:space:]]*([^ ]+) => not found.*,\1,p; s,.*: ([^ ]+): cannot open shared.*,\1,p' "$log" | head -n 1)"
    [ -z "$missing" ] || die "$(basename "$3") misses $missing, which none of the packages fetched for it holds"
    sed -nE 's/^[[:space:]]*([^ ]+) => ([^ ]+) .*/\1 \2/p' "$log"
}

add_libraries() { # ROOT LIBRARY-PATH FILE DESTINATION
    local name path found
    found="$(libraries_of "$1" "$2" "$3")" || stop
    while read -r name path; do
        case "$name $path" in
        " " | */ld-linux*) continue ;;
        *" $1/"*) ;;
        *) die "$(basename "$3") would load $path of this machine" ;;
        esac
        cp -L -n "$path" "$4/$name"
    done <<<"$found"
}

add_data() { # ROOT PATH DESTINATION
    case "$2" in
    /*) cp -a "$1$2" "$3/share/" ;;
    lib/*)
        mkdir -p "$(dirname "$3/$2")"
        cp -a "$(find "$1/usr/lib" -path "*/${2#lib/}" | head -n 1)" "$3/$2"
        ;;
    *)
        mkdir -p "$(dirname "$3/$2")"
        cp -aL "$1/usr/$2" "$3/$2"
        ;;
    esac
}

# Leaves in a directory of unpacked packages only bin, lib and share, with the
# unit's programs and what they need.
collect_programs() { # DIRECTORY
    local root="$1/root" made="$1/made" name file path
    mkdir -p "$root" "$made/bin" "$made/lib" "$made/share"
    find "$1" -mindepth 1 -maxdepth 1 ! -name root ! -name made -exec mv -t "$root" {} +
    path="$(find "$root/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -s -d :)"
    cp -L "$(loader_of "$root")" "$made/bin/ld.so"
    for name in "${programs[@]}"; do
        file="$(program_in "$root" "$name")"
        cp -L "$file" "$made/bin/$name"
        add_libraries "$root" "$path" "$file" "$made/lib"
    done
    for name in "${loads[@]}"; do
        file="$(library_in "$root" "$name")"
        mkdir -p "$(dirname "$made/lib/$name")"
        cp -L "$file" "$made/lib/$name"
        add_libraries "$root" "$path" "$file" "$made/lib"
    done
    for name in "${data[@]}"; do add_data "$root" "$name" "$made"; done
    hide_foreign_modules "$made/bin"
    mv -t "$1" "$made"/*
    rm -rf "$root" "$made"
}

# QEMU looks for modules in this machine's directory after ours, and chokes on
# those of another version: its path there becomes one as long that names nothing.
hide_foreign_modules() { # DIRECTORY
    local program foreign nothing
    for program in "$1"/qemu-*; do
        [ -e "$program" ] || continue
        foreign="$(grep -aoE -m 1 '/usr/lib/[a-z0-9_]+-linux-gnu/qemu' "$program" | head -n 1 || true)"
        [ -n "$foreign" ] || die "$(basename "$program") names no directory of modules"
        nothing=/proc/self/task/none/of/the/modules/of/this/machine
        LC_ALL=C sed -i "s,$foreign,${nothing:0:${#foreign}},g" "$program"
    done
}

# A small script for each program; it finds the cache by its own place.
write_starters() { # UNIT
    local bin="$cache/tools/bin" program name
    mkdir -p "$bin"
    for program in "$cache/$1"/bin/*; do
        name="$(basename "$program")"
        [ "$name" != ld.so ] || continue
        sed "s,@UNIT@,${1#tools/},g; s,@NAME@,$name,g" "$tree/qemu/setup.d/start" >"$bin/.$name"
        chmod +x "$bin/.$name"
        mv "$bin/.$name" "$bin/$name"
    done
}

# Those of an older set-up are made anew.
refresh_starters() {
    local start="$tree/qemu/setup.d/start" unit
    cmp -s "$start" "$cache/tools/.start" && return
    for unit in "$cache"/tools/*/.complete; do
        write_starters "tools/$(basename "$(dirname "$unit")")"
    done
    cp "$start" "$cache/tools/.start"
}
