# The cases, each a function; started by enter as `bash cases.sh CASE`.
# shellcheck shell=bash
set -euo pipefail

# shellcheck source=mkinitramfs/tests/hooks/debian.sh
source /test/debian.sh

conf=/etc/turnout/turnout.conf
ring=/etc/turnout/allowed_signers
words=/run/turnout/next-start
motd=/run/motd.d/turnout

fail() { echo "FAILED: $*"; exit 1; }

# Everything that apt printed is in $said.
apt_get() { # install|remove|purge NAME...
    local command="$1" status=0
    shift
    said="$(apt-get -y -q -o Dpkg::Use-Pty=0 "$command" "$@" 2>&1)" || status=$?
    echo "--- apt-get $command $*"
    echo "$said"
    [ "$status" = 0 ] || fail "apt-get $command $* ended with $status"
}

install() { # NAME...
    local names=("${@/#/$packages/}")
    apt_get install --reinstall --allow-downgrades "${names[@]/%/.deb}"
}

is() { # STATE PACKAGE
    local state
    state="$(dpkg-query -W -f '${db:Status-Status}' "$2" 2>/dev/null)" || state=none
    [ "$state" = "$1" ] || fail "$2 is $state, and $1 was expected"
}

says() { # TEXT
    grep -Fq -- "$1" <<<"$said" || fail "apt did not say: $1"
}

silent() {
    ! grep -qi 'turnout[:-]\|\*\*\*' <<<"$said" || fail "this was said: $said"
}

# The first of the last lines of apt's output, and then the words and nothing more.
ends_with_words() {
    [ -s "$words" ] || fail "there are no words"
    local last
    last="$(printf '*** Turnout: the next start of this machine ***\n'; cat "$words")"
    case "$said" in *"$last") ;; *) fail "the words are not apt's last lines" ;; esac
    diff <(tail -n +2 "$motd") "$words" >/dev/null || fail "the motd has other words"
}

all_is_well() {
    [ ! -e "$words" ] && [ ! -e "$motd" ] || fail "words were kept: $(cat "$words" "$motd")"
}

# In place of a program: what it does.
stand_in() { # NAME; its text on standard input
    { echo '#!/bin/sh'; cat; } >"/usr/local/sbin/$1"
    chmod 755 "/usr/local/sbin/$1"
}

# Only one of these is a machine that starts.
as_machine() {
    stand_in systemd-detect-virt <<<'exit 1'
    # Of a machine without disks, whose menu is in /boot, by the real program.
    stand_in turnout <<'SCRIPT'
case "$1" in
check) exec /usr/sbin/turnout "$@" --root /boot --keys /etc/turnout/allowed_signers ;;
*) exec /usr/sbin/turnout "$@" ;;
esac
SCRIPT
}

make_key() {
    turnout-sign keygen -f /etc/turnout/key -C "$1" 2>/dev/null | grep namespaces= >"$ring"
}

with_signer() {
    make_key machine@example.org
    printf 'sign-key /etc/turnout/key\nsign-root /boot\n' >"$conf"
}

# What PID 1 would start: the first entry, in its order, that this ring lets in.
boots() { # ID
    local found
    found="$(/usr/sbin/turnout check --next-start --root /boot --keys "$ring" --json \
        | sed -n 's/.*"entry":"\([^"]*\)".*/\1/p')" || true
    [ "$found" = "$1" ] || fail "the next start boots ${found:-nothing}, and $1 was expected"
}

nothing_is_said_where_nothing_is_configured() {
    install turnout linux-image-1
    apt_get remove linux-image-1
    silent
    is config-files linux-image-1
    [ ! -e /run/turnout ] || fail "something was written"
}

a_signer_that_fails_leaves_the_kernel_installed() {
    as_machine
    install turnout
    with_signer
    local way
    for way in 'exit 1' 'exit 2' 'exit 101' 'kill -9 $$' 'exec sleep 1000'; do
        stand_in turnout-sign <<<"echo 'turnout-sign: no agent: start it' >&2; $way"
        stand_in timeout <<'SCRIPT'
shift 3
[ "$1" != turnout-sign ] || exec /usr/bin/timeout 1 "$@"
exec "$@"
SCRIPT
        install linux-image-1
        is installed linux-image-1
        says 'stop NOTHING_SIGNED'
        says 'turnout-sign: no agent: start it'
        ends_with_words
        apt_get purge linux-image-1
        is none linux-image-1
    done
}

hooks_without_their_programs_do_nothing() {
    as_machine
    install turnout
    with_signer
    apt_get remove turnout
    is config-files turnout
    [ -x /etc/kernel/postinst.d/zzz-turnout ] || fail "a conffile is gone"
    install linux-image-1
    is installed linux-image-1
    silent
    apt_get purge turnout
    [ -z "$(find /etc /usr/lib/turnout /usr/lib/kernel -name '*turnout*' ! -path '/etc/turnout*' 2>/dev/null)" ] \
        || fail "something of the package is left"
}

an_image_that_is_built_is_no_machine() {
    as_machine
    install turnout
    make_key somebody@example.org
    mkdir /image
    local part
    for part in usr etc var boot run tmp test proc; do
        mkdir "/image/$part"
        mount --rbind "/$part" "/image/$part"
    done
    cp -P /bin /sbin /lib /lib64 /image/
    in_image apt-get -y -q install "$packages/linux-image-1.deb"
    is installed linux-image-1
    mkdir /image/dev
    mount --rbind /dev /image/dev
    in_image apt-get -y -q install "$packages/linux-image-2.deb"
    is installed linux-image-2
    umount -l /image/proc
    in_image dpkg -i "$packages/linux-image-2.deb"
    is installed linux-image-2
    all_is_well
}

in_image() { # COMMAND...
    said="$(chroot /image "$@" 2>&1)" || fail "$* failed: $said"
    silent
}

what_nobody_signs_is_in_the_last_lines_of_apt_and_in_the_motd() {
    as_machine
    install turnout
    make_key elsewhere@example.org
    echo 'DPkg::Post-Invoke { "echo needrestart was here"; };' >/etc/apt/apt.conf.d/99needrestart
    install linux-image-1
    is installed linux-image-1
    says 'needrestart was here'
    says 'stop NOTHING_SIGNED'
    ends_with_words
    [ "$(stat -c %a "$motd")" = 644 ] || fail "not everybody may read the motd"
    # Whatever else is installed: they stay until it is mended.
    install firmware
    ends_with_words
    turnout-sign sign --key /etc/turnout/key --root /boot --all >/dev/null
    install plain
    silent
    all_is_well
    # The trigger makes the initrd anew, and what was signed boots no more.
    install firmware
    says 'INITRD_DIGEST'
    ends_with_words
}

kernels_come_and_go_and_the_newest_boots() {
    as_machine
    install turnout
    with_signer
    install linux-image-1
    boots gnulinux-1
    install linux-image-2
    is installed linux-image-2
    boots gnulinux-2
    install linux-image-2
    boots gnulinux-2
    kernel_package 2 2.1
    install linux-image-2
    [ "$(tail -c 4 /boot/vmlinuz-2)" = 2.1 ] || fail "it was not upgraded"
    boots gnulinux-2
    install firmware
    says 'Processing triggers for initramfs-tools'
    boots gnulinux-2
    all_is_well
    apt_get remove linux-image-2
    is config-files linux-image-2
    boots gnulinux-1
    [ ! -e /boot/turnout/gnulinux-2.manifest ] || fail "a stale manifest is left"
    apt_get purge linux-image-2
    is none linux-image-2
    boots gnulinux-1
    all_is_well
}

a_full_boot_is_said_and_mended_by_the_next_run_of_apt() {
    as_machine
    install turnout linux-image-1
    with_signer
    cat >/etc/kernel/postinst.d/zzy-fill <<'SCRIPT'
#!/bin/sh
cat /dev/zero >/boot/full 2>/dev/null
exit 0
SCRIPT
    chmod 755 /etc/kernel/postinst.d/zzy-fill
    install linux-image-2
    is installed linux-image-2
    says 'warn NEWEST_UNSIGNED'
    says 'No space left on device'
    ends_with_words
    rm /boot/full /etc/kernel/postinst.d/zzy-fill
    install plain
    boots gnulinux-2
    all_is_well
}

a_signer_that_is_not_there_or_refuses_is_said() {
    as_machine
    install turnout linux-image-1
    with_signer
    install plain
    boots gnulinux-1
    printf 'sign-agent /run/agent\nsign-root /boot\n' >"$conf"
    install linux-image-2
    is installed linux-image-2
    says 'there is no ssh-agent at /run/agent'
    says 'NEWEST_UNSIGNED'
    ends_with_words
    boots gnulinux-1
    printf 'sign-command /bin/false\nsign-root /boot\n' >"$conf"
    install linux-image-2
    is installed linux-image-2
    says '/bin/false refuses'
    says 'NEWEST_UNSIGNED'
    ends_with_words
    boots gnulinux-1
}

# A signer that answers no more: `turnout-sign` waits for a while and gives up.
as_if_nobody_answered() { # SECONDS
    stand_in turnout-sign <<SCRIPT
echo run >>/var/runs
echo 'turnout-sign: waiting for the key to sign gnulinux-1, 60 s at most' >&2
sleep $1
echo 'turnout-sign: gnulinux-1 is not signed: it has not answered' >&2
exit 1
SCRIPT
    sed -i 's/^long_seconds=.*/long_seconds=1/' /usr/lib/turnout/upkeep
    : >/var/runs
}

runs() { # NUMBER
    [ "$(grep -c . /var/runs)" = "$1" ] || fail "it was signed $(grep -c . /var/runs) times, not $1"
}

who_does_not_answer_is_asked_once_by_hooks_and_once_by_apt() {
    as_machine
    install turnout linux-image-1
    with_signer
    as_if_nobody_answered 1
    install linux-image-1 linux-image-2 firmware
    is installed linux-image-2
    runs 2
    says 'turnout-sign: waiting for the key'
    says '2 is not signed yet: its signer has not answered just now'
    ends_with_words
    ! grep -q 'waiting for' "$words" || fail "the words tell of a wait: $(cat "$words")"
    # By hand it is asked in any case, and shown while it waits.
    /usr/lib/turnout/upkeep installed 2>/var/shown &
    local tries=0
    until grep -q 'waiting for' /var/shown; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "nothing was shown"
        sleep 0.05
    done
    ! grep -q 'has not answered' /var/shown || fail "it was shown only after the wait"
    wait
    runs 3
}

a_signer_that_comes_back_is_asked_again() {
    as_machine
    install turnout linux-image-1
    with_signer
    as_if_nobody_answered 0
    install linux-image-2
    says 'NOTHING_SIGNED'
    ends_with_words
    rm /usr/local/sbin/turnout-sign
    # Nothing but the signer has changed.
    install plain
    boots gnulinux-2
    all_is_well
    said="$(/usr/lib/turnout/upkeep retry 2>&1)"
    silent
    as_if_nobody_answered 0
    touch /boot/changed
    /usr/lib/turnout/upkeep retry
    [ -s "$words" ] || fail "there are no words"
    rm /usr/local/sbin/turnout-sign
    said="$(/usr/lib/turnout/upkeep retry 2>&1)"
    all_is_well
}

what_is_staged_is_staged_anew_wherever_its_unit_runs() {
    as_machine
    install turnout linux-image-1
    stand_in systemctl <<'SCRIPT'
echo "$*" >>/var/systemctl
[ -e /run/active ]
SCRIPT
    mkdir -p /run/systemd/system
    install linux-image-2
    ! grep -q try-restart /var/systemctl || fail "it was staged without its unit"
    : >/run/active
    install linux-image-2
    grep -q -- '--no-block try-restart turnout-stage.service' /var/systemctl || fail "nothing was staged"
}

what_no_longer_boots_is_said_as_turnout_goes() {
    as_machine
    install turnout linux-image-1
    apt_get remove turnout
    silent
    install turnout
    with_signer
    install linux-image-1
    boots gnulinux-1
    apt_get remove turnout
    says "turnout: nothing signs the next kernels any more"
    [ -s /boot/turnout/gnulinux-1.manifest ] || fail "its signatures are gone already"
    apt_get purge turnout
    says "turnout: the signatures that upkeep has made are removed"
    [ ! -e /boot/turnout/gnulinux-1.manifest ] || fail "its signatures are left"
    [ -s /etc/turnout/key ] || fail "a key of somebody's own is gone"
}

after_a_start_the_words_are_written_again() {
    as_machine
    install turnout linux-image-1
    make_key elsewhere@example.org
    said="$(/usr/lib/turnout/upkeep start 2>&1)"
    silent
    [ -s "$words" ] && [ -s "$motd" ] || fail "nothing was written"
    rm "$ring"
    /usr/lib/turnout/upkeep start
    all_is_well
}

needrestart_says_which_way_to_restart() {
    as_machine
    install turnout linux-image-1
    make_key elsewhere@example.org
    turnout-sign sign --key /etc/turnout/key --root /boot --all >/dev/null
    local states
    for states in '1 1 none' '3 1 kernel' '2 0 kernel' '3 2 microcode' '1 2 microcode'; do
        read -r kernel microcode way <<<"$states"
        stand_in needrestart <<SCRIPT
[ "\$*" = "-b -k -w" ] || exit 1
printf 'NEEDRESTART-VER: 3.6\nNEEDRESTART-KCUR: 1\nNEEDRESTART-KSTA: $kernel\nNEEDRESTART-UCSTA: $microcode\n'
SCRIPT
        said="$(/usr/lib/turnout/upkeep apt 2>&1)"
        [ -z "$said" ] || fail "nothing has changed, and yet: $said"
        touch /boot/changed
        said="$(/usr/lib/turnout/upkeep apt 2>&1)"
        case "$way/$said" in
        none/ | "kernel/turnout: a new kernel waits: restart with: turnout boot") ;;
        "microcode/turnout: new microcode waits: restart with: turnout boot --firmware") ;;
        *) fail "of $states it said: $said" ;;
        esac
    done
    # Where the next start is no better than it was, nobody is told to restart.
    sed -i 's/KSTA: 1/KSTA: 3/; s/UCSTA: 2/UCSTA: 1/' /usr/local/sbin/needrestart
    install linux-image-2
    says 'warn NEWEST_UNSIGNED'
    ! grep -q 'waits: restart' <<<"$said" || fail "it says to restart: $said"
    ends_with_words
    grep -Fq 'this looks again: /usr/lib/turnout/upkeep' "$words" || fail "nothing takes them away"
}

# An EFI system partition whose entries kernel-install(8) writes, with its own plugins and ours.
as_esp() {
    mkdir -p /etc/kernel /boot/loader /boot/EFI
    echo 0123456789abcdef0123456789abcdef >/etc/machine-id
    echo debian >/etc/kernel/entry-token
    echo 'root=LABEL=root ro' >/etc/kernel/cmdline
    printf 'layout=bls\nBOOT_ROOT=/boot\ninitrd_generator=none\n' >/etc/kernel/install.conf
    printf 'ID=debian\nPRETTY_NAME=Debian\n' >/etc/os-release
}

# Runs kernel-install, which ends with 0.
kernel_install() { # add|remove RELEASE [KERNEL INITRD]
    said="$(kernel-install "$@" 2>&1)" || fail "kernel-install $* failed: $said"
    echo "$said"
}

by_kernel_install_too_the_newest_boots() {
    as_machine
    install turnout
    as_esp
    with_signer
    local release
    for release in 1 2; do
        { cat /test/kernel; echo "$release"; } >"/test/vmlinuz-$release"
        echo "initrd of $release" >"/test/initrd-$release"
        kernel_install add "$release" "/test/vmlinuz-$release" "/test/initrd-$release"
        boots "debian-$release"
    done
    kernel_install remove 2
    boots debian-1
    # It removes the files behind its last plugin: the next run drops what was for them.
    kernel_install add 1 /test/vmlinuz-1 /test/initrd-1
    [ ! -e /boot/turnout/debian-2.manifest ] || fail "a stale manifest is left"
    boots debian-1
    all_is_well
    local way
    for way in 77 1 130; do
        printf '#!/bin/sh\nexit %s\n' "$way" >/usr/lib/turnout/upkeep
        kernel_install add 1 /test/vmlinuz-1 /test/initrd-1
    done
    rm /usr/lib/turnout/upkeep
    kernel_install add 1 /test/vmlinuz-1 /test/initrd-1
}

main() {
    kernel_package 1 1.0
    kernel_package 2 2.0
    initramfs_package
    grub_package
    turnout_package
    triggering_package
    plain_package
    install initramfs-tools grub >/dev/null
    "$1"
    echo "passed $1"
}

main "$@"
