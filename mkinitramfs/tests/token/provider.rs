//! A FIDO token in software, for the tests: a library that OpenSSH loads in
//! place of its own driver (`SSH_SK_PROVIDER`).
//!
//! It keeps nothing secret (the key handle, which OpenSSH writes into the
//! "private" key file, is the seed) and is touched by nobody. Specification:
//! OpenSSH's PROTOCOL.u2f and the middleware interface that it describes,
//! version 10.

#![allow(unsafe_code, missing_docs, clippy::missing_safety_doc, unreachable_pub)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

const API_VERSION: u32 = 0x000a_0000;
const ED25519: u32 = 1;
const USER_PRESENT: u8 = 1;
const OK: c_int = 0;
const UNSUPPORTED: c_int = -2;

#[derive(Debug)]
#[repr(C)]
pub struct EnrollResponse {
    flags: u8,
    public_key: *mut u8,
    public_key_len: usize,
    key_handle: *mut u8,
    key_handle_len: usize,
    signature: *mut u8,
    signature_len: usize,
    attestation_cert: *mut u8,
    attestation_cert_len: usize,
    authdata: *mut u8,
    authdata_len: usize,
}

#[derive(Debug)]
#[repr(C)]
pub struct SignResponse {
    flags: u8,
    counter: u32,
    sig_r: *mut u8,
    sig_r_len: usize,
    sig_s: *mut u8,
    sig_s_len: usize,
}

unsafe extern "C" {
    fn calloc(count: usize, size: usize) -> *mut c_void;
}

/// A copy that OpenSSH may free().
fn copy(bytes: &[u8]) -> *mut u8 {
    // SAFETY: calloc has no preconditions; the result is checked by `place`.
    let memory: *mut u8 = unsafe { calloc(bytes.len().max(1), 1) }.cast();
    assert!(!memory.is_null(), "out of memory");
    // SAFETY: `memory` is fresh and as long as `bytes`.
    unsafe { memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    memory
}

/// Puts `value` where OpenSSH may free() it.
fn place<T>(value: T, out: *mut *mut T) {
    // SAFETY: calloc has no preconditions.
    let memory: *mut T = unsafe { calloc(1, size_of::<T>()) }.cast();
    assert!(!memory.is_null(), "out of memory");
    // SAFETY: `memory` is fresh, aligned by calloc, and of T's size.
    unsafe { memory.write(value) };
    // SAFETY: OpenSSH passes a pointer to a variable of its own.
    unsafe { out.write(memory) };
}

/// The bytes that OpenSSH passes.
unsafe fn bytes<'a>(start: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: the caller has `len` bytes at `start`.
    unsafe { core::slice::from_raw_parts(start, len) }
}

#[unsafe(no_mangle)]
pub extern "C" fn sk_api_version() -> u32 {
    API_VERSION
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sk_enroll(
    algorithm: u32,
    challenge: *const u8,
    challenge_len: usize,
    _application: *const c_char,
    flags: u8,
    _pin: *const c_char,
    _options: *mut *mut c_void,
    response: *mut *mut EnrollResponse,
) -> c_int {
    if algorithm != ED25519 {
        return UNSUPPORTED;
    }
    // SAFETY: OpenSSH passes a challenge and its length.
    let seed: [u8; 32] = Sha256::digest(unsafe { bytes(challenge, challenge_len) }).into();
    let public = SigningKey::from_bytes(&seed).verifying_key();
    let made = EnrollResponse {
        flags,
        public_key: copy(public.as_bytes()),
        public_key_len: public.as_bytes().len(),
        key_handle: copy(&seed),
        key_handle_len: seed.len(),
        signature: copy(&[]),
        signature_len: 0,
        attestation_cert: core::ptr::null_mut(),
        attestation_cert_len: 0,
        authdata: core::ptr::null_mut(),
        authdata_len: 0,
    };
    place(made, response);
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sk_sign(
    algorithm: u32,
    data: *const u8,
    data_len: usize,
    application: *const c_char,
    key_handle: *const u8,
    key_handle_len: usize,
    _flags: u8,
    _pin: *const c_char,
    _options: *mut *mut c_void,
    response: *mut *mut SignResponse,
) -> c_int {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    // SAFETY: OpenSSH passes the key handle that sk_enroll gave it.
    let seed = <[u8; 32]>::try_from(unsafe { bytes(key_handle, key_handle_len) });
    let (ED25519, Ok(seed)) = (algorithm, seed) else { return UNSUPPORTED };
    // SAFETY: OpenSSH passes a string.
    let application = unsafe { CStr::from_ptr(application) };
    // SAFETY: OpenSSH passes the data and their length.
    let data = unsafe { bytes(data, data_len) };
    let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut signed = Sha256::digest(application.to_bytes()).to_vec();
    signed.push(USER_PRESENT);
    signed.extend(counter.to_be_bytes());
    signed.extend(Sha256::digest(data));
    let signature = SigningKey::from_bytes(&seed).sign(&signed).to_bytes();
    let made = SignResponse {
        flags: USER_PRESENT,
        counter,
        sig_r: copy(&signature),
        sig_r_len: signature.len(),
        sig_s: core::ptr::null_mut(),
        sig_s_len: 0,
    };
    place(made, response);
    OK
}

/// There are no keys on the token itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sk_load_resident_keys(
    _pin: *const c_char,
    _options: *mut *mut c_void,
    _keys: *mut *mut c_void,
    count: *mut usize,
) -> c_int {
    // SAFETY: OpenSSH passes a pointer to a variable of its own.
    unsafe { count.write(0) };
    UNSUPPORTED
}
