//! What the kernel means by an errno of the calls that load and start another
//! kernel, in sentences, and after which of them the other call may be tried.
//!
//! The numbers are those of x86_64 and aarch64 (include/uapi/asm-generic/
//! errno-base.h, errno.h); the meanings are those of kernel/kexec*.c, of
//! security/integrity and of crypto/asymmetric_keys, where the calls end up, and of
//! arch/arm64/kernel/machine_kexec.c (`machine_kexec_prepare`).

use super::Engine;

const EPERM: i32 = 1;
const ENOEXEC: i32 = 8;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ETXTBSY: i32 = 26;
const EFBIG: i32 = 27;
const ENOSYS: i32 = 38;
const ENODATA: i32 = 61;
const ENOPKG: i32 = 65;
const EBADMSG: i32 = 74;
const ELIBBAD: i32 = 80;
const EMSGSIZE: i32 = 90;
const ENOTSUP: i32 = 95;
const EADDRNOTAVAIL: i32 = 99;
const ENOKEY: i32 = 126;
const EKEYEXPIRED: i32 = 127;
const EKEYREVOKED: i32 = 128;
const EKEYREJECTED: i32 = 129;

/// The same from both calls.
const OF_BOTH: [(i32, &str); 3] = [
    (ENOMEM, "there is not enough memory for a second copy of the kernel and its initrd"),
    (
        EBUSY,
        "another kexec operation was in progress at every try; or, on arm64, a spin table has \
         started the CPUs, and the running kernel cannot take them back: that needs firmware \
         with PSCI",
    ),
    (ENOSYS, "the running kernel was built without this system call, or a sandbox hides it"),
];

const OF_FILE: [(i32, &str); 17] = [
    (
        EPERM,
        "the running kernel forbids it: locked down, and no key that it has signed this image; \
         or kernel.kexec_load_disabled, a used-up kernel.kexec_load_limit, a security module, or \
         no CAP_SYS_BOOT",
    ),
    (ENOEXEC, "the running kernel does not know this image format"),
    (EACCES, "the running kernel's integrity policy (IMA, Secure Boot) rejects the image"),
    (EINVAL, "the running kernel does not accept the image or its command line"),
    (ETXTBSY, "somebody has the file open for writing"),
    (EFBIG, "a file is larger than the running kernel reads"),
    (ENODATA, "the running kernel demands a signature of its own, and the image has none"),
    (ENOPKG, "the image's signature uses an algorithm that the running kernel lacks"),
    (EBADMSG, "the image's signature does not belong to its bytes"),
    (ELIBBAD, "the image's signature is malformed"),
    (EMSGSIZE, "the image's signature has a wrong length"),
    (ENOTSUP, "the running kernel does not load this kind of image"),
    (
        EADDRNOTAVAIL,
        "there is no place for it: no memory is reserved for a crash kernel, or not enough in one piece",
    ),
    (ENOKEY, "the running kernel has no key for the image's signature"),
    (EKEYEXPIRED, "the key of the image's signature has expired"),
    (EKEYREVOKED, "the key of the image's signature was revoked"),
    (EKEYREJECTED, "the running kernel rejected the image's signature"),
];

const OF_SEGMENTS: [(i32, &str); 4] = [
    (
        EPERM,
        "the running kernel forbids it: lockdown, kernel.kexec_load_disabled, a used-up \
         kernel.kexec_load_limit, or no CAP_SYS_BOOT",
    ),
    (
        EACCES,
        "the running kernel's integrity policy (IMA, Secure Boot) allows only kexec_file_load",
    ),
    (EINVAL, "the running kernel does not accept the segments: too many, or too much memory"),
    (
        EADDRNOTAVAIL,
        "a segment lies where the running kernel allows none; a crash kernel has to lie in the \
         memory that crashkernel= reserved",
    ),
];

const OF_REBOOT: [(i32, &str); 3] = [
    (EPERM, "this process has no CAP_SYS_BOOT"),
    (EBUSY, "another kexec operation or reboot is in progress"),
    (EINVAL, "no kernel is loaded, or this process is in a PID namespace of its own"),
];

/// What an errno of the engine's system call means.
#[must_use]
pub fn meaning_of_load(engine: Engine, errno: i32) -> Option<&'static str> {
    let own: &[_] = match engine {
        Engine::File => &OF_FILE,
        Engine::Segments => &OF_SEGMENTS,
    };
    find(own, errno).or_else(|| find(&OF_BOTH, errno))
}

/// What an errno of reboot(LINUX_REBOOT_CMD_KEXEC) means.
#[must_use]
pub fn meaning_of_reboot(errno: i32) -> Option<&'static str> {
    find(&OF_REBOOT, errno)
}

/// Whether the running kernel has no such call.
#[must_use]
pub const fn is_missing(errno: i32) -> bool {
    errno == ENOSYS
}

fn find(table: &[(i32, &'static str)], errno: i32) -> Option<&'static str> {
    table.iter().find(|(number, _)| *number == errno).map(|(_, meaning)| *meaning)
}

/// Whether kexec_load may be tried after this errno of kexec_file_load: only
/// where the kernel could not do it. Never where it would not, because then the
/// other call would be a way round a signature or a lock.
#[must_use]
pub const fn is_inability(errno: i32) -> bool {
    matches!(errno, ENOEXEC | EINVAL | ENOSYS | ENOTSUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every errno that facts or sources name for the call.
    const FILE: [i32; 20] = [
        EPERM,
        ENOEXEC,
        ENOMEM,
        EACCES,
        EBUSY,
        EINVAL,
        ETXTBSY,
        EFBIG,
        ENOSYS,
        ENODATA,
        ENOPKG,
        EBADMSG,
        ELIBBAD,
        EMSGSIZE,
        ENOTSUP,
        EADDRNOTAVAIL,
        ENOKEY,
        EKEYEXPIRED,
        EKEYREVOKED,
        EKEYREJECTED,
    ];
    const SEGMENTS: [i32; 7] = [EPERM, ENOMEM, EACCES, EBUSY, EINVAL, ENOSYS, EADDRNOTAVAIL];

    #[test]
    fn every_refusal_of_a_call_has_a_sentence_of_its_own() {
        for (engine, known) in [(Engine::File, &FILE[..]), (Engine::Segments, &SEGMENTS[..])] {
            let said: Vec<_> =
                known.iter().map(|errno| meaning_of_load(engine, *errno).unwrap()).collect();
            let mut different = said.clone();
            different.sort_unstable();
            different.dedup();
            assert_eq!(different.len(), said.len(), "{engine}");
        }
    }

    fn said(engine: Engine, errno: i32) -> &'static str {
        meaning_of_load(engine, errno).unwrap_or_default()
    }

    /// The kernel gives the same errno for both.
    #[test]
    fn busy_is_another_operation_or_cpus_that_cannot_be_taken_back() {
        let said = said(Engine::Segments, EBUSY);
        assert!(said.contains("another kexec operation was in progress"), "{said}");
        assert!(said.contains("a spin table has started the CPUs"), "{said}");
    }

    #[test]
    fn the_sentence_names_the_lock_that_the_kernel_does_not_name() {
        assert!(said(Engine::Segments, EPERM).contains("kernel.kexec_load_disabled"));
        assert!(said(Engine::Segments, EACCES).contains("allows only kexec_file_load"));
        assert!(said(Engine::File, ENODATA).contains("demands a signature"));
        assert!(said(Engine::File, EKEYREJECTED).contains("rejected the image's signature"));
        assert_eq!(meaning_of_load(Engine::Segments, ENODATA), None);
        assert!(meaning_of_reboot(EINVAL).is_some_and(|said| said.contains("no kernel is loaded")));
        assert_eq!(meaning_of_reboot(ENOMEM), None);
    }

    #[test]
    fn the_other_call_is_tried_only_after_an_inability_and_never_after_a_refusal() {
        let tried: Vec<_> = FILE.into_iter().filter(|errno| is_inability(*errno)).collect();
        assert_eq!(tried, [ENOEXEC, EINVAL, ENOSYS, ENOTSUP]);
    }
}
