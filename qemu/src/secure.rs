//! Secure Boot with a key of a test's own: what it signs, and variables in which
//! firmware finds it as owner's, exchange and program key.
//!
//! Follows the UEFI specification (2.10, chapters 8.2 and 32.4) and, for how the
//! variables lie in the flash memory, EDK2's VariableFormat.h.

use crate::command;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The header of EDK2's firmware volume, and of the store of variables in it.
const VOLUME_LENGTH: usize = 48;
const STORE_HEADER: usize = 28;
/// Of one variable.
const HEADER: usize = 60;
/// Kept, for boot services and the system, and signed with a time.
const ATTRIBUTES: u32 = 0x27;
const GLOBAL: [u8; 16] = *b"\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b\x8c";
const DATABASE: [u8; 16] = *b"\xcb\xb2\x19\xd7\x3a\x3d\x96\x45\xa3\xbc\xda\xd0\x0e\x67\x65\x6f";
const X509: [u8; 16] = *b"\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72";
const NO_SECTIONS: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// A key with its certificate, in a directory.
#[derive(Debug, Clone)]
pub struct Key(PathBuf);

impl Key {
    /// The key in this directory.
    #[must_use]
    pub const fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Makes one in a new directory.
    ///
    /// # Errors
    ///
    /// If openssl cannot be run.
    pub fn make(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("openssl.cnf"), NO_SECTIONS)?;
        let mut openssl = command::tool("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"]);
        openssl.args(["-subj", "/CN=owner", "-config", "openssl.cnf"]);
        openssl.args(["-keyout", "key.pem", "-out", "certificate.pem"]);
        command::output(openssl.current_dir(&directory))?;
        let mut openssl = command::tool("openssl");
        openssl.args(["x509", "-in", "certificate.pem", "-outform", "DER"]);
        openssl.args(["-out", "certificate.der"]);
        command::output(openssl.current_dir(&directory))?;
        Ok(Self(directory))
    }

    /// Signs an EFI program in its place, with no other signature before this one:
    /// firmware looks at all of them, Linux at the first alone (kexec_file_load).
    ///
    /// # Errors
    ///
    /// If sbsign refuses it.
    pub fn sign(&self, program: &Path) -> Result<()> {
        let bytes = fs::read(program)?;
        fs::write(program, without_signatures(bytes).context("no EFI program")?)?;
        let signed = program.with_added_extension("signed");
        let mut sbsign = command::tool("sbsign");
        sbsign.arg("--key").arg(self.0.join("key.pem"));
        sbsign.arg("--cert").arg(self.0.join("certificate.pem"));
        command::output(sbsign.arg("--output").arg(&signed).arg(program))?;
        Ok(fs::rename(signed, program)?)
    }

    /// Writes variables in which this key decides: `blank` are some without keys.
    ///
    /// # Errors
    ///
    /// If `blank` is of another format, or has variables already.
    pub fn enrol(&self, blank: &Path, to: &Path) -> Result<()> {
        let certificate = fs::read(self.0.join("certificate.der"))?;
        let list = signature_list(&certificate)?;
        let mut flash = fs::read(blank)?;
        let length = flash.get(VOLUME_LENGTH..).and_then(<[u8]>::first_chunk);
        let length = u16::from_le_bytes(*length.context("no firmware volume")?);
        let mut at = usize::from(length) + STORE_HEADER;
        // The owner's last: from then on the firmware asks for signatures.
        for (name, vendor) in [("db", DATABASE), ("KEK", GLOBAL), ("PK", GLOBAL)] {
            let variable = variable(name, vendor, &list)?;
            let place = flash.get_mut(at..at + variable.len()).context("no room for keys")?;
            ensure!(place.iter().all(|byte| *byte == 0xff), "there are variables already");
            place.copy_from_slice(&variable);
            at += variable.len().next_multiple_of(4);
        }
        Ok(fs::write(to, flash)?)
    }
}

/// Cuts the table of certificates off, which is last in the file (PE format, "Optional
/// Header Data Directories"; it is the fifth of a 64-bit program).
fn without_signatures(mut program: Vec<u8>) -> Option<Vec<u8>> {
    const HEADER_AT: usize = 0x3c;
    const TABLE_IN_HEADER: usize = 24 + 112 + 4 * 8;
    let header = u32::from_le_bytes(*program.get(HEADER_AT..)?.first_chunk()?);
    let at = usize::try_from(header).ok()? + TABLE_IN_HEADER;
    let entry: &mut [u8; 8] = program.get_mut(at..)?.first_chunk_mut()?;
    let table = u32::from_le_bytes(*entry.first_chunk()?);
    *entry = [0; 8];
    if table != 0 {
        program.truncate(usize::try_from(table).ok()?);
    }
    Some(program)
}

/// One certificate, of an owner who is nobody.
fn signature_list(certificate: &[u8]) -> Result<Vec<u8>> {
    let signature = 16 + certificate.len();
    let mut list = X509.to_vec();
    for size in [28 + signature, 0, signature] {
        list.extend(u32::try_from(size)?.to_le_bytes());
    }
    list.extend([0; 16]);
    list.extend(certificate);
    Ok(list)
}

fn variable(name: &str, vendor: [u8; 16], data: &[u8]) -> Result<Vec<u8>> {
    let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let mut variable = vec![0xaa, 0x55, 0x3f, 0];
    variable.extend(ATTRIBUTES.to_le_bytes());
    // No count, the beginning of time, no key of its own.
    variable.resize(HEADER - 24, 0);
    for size in [name.len(), data.len()] {
        variable.extend(u32::try_from(size)?.to_le_bytes());
    }
    variable.extend(vendor);
    variable.extend(name);
    variable.extend(data);
    Ok(variable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Scratch;

    /// A volume of 64 bytes, a store and room.
    fn blank() -> Vec<u8> {
        let mut flash = vec![0; 64 + STORE_HEADER];
        flash[VOLUME_LENGTH] = 64;
        flash.resize(8192, 0xff);
        flash
    }

    #[test]
    fn a_program_is_signed_with_nothing_before_its_signature() {
        let mut program = vec![7; 400];
        program[0x3c..0x40].copy_from_slice(&64_u32.to_le_bytes());
        let entry = 64 + 24 + 112 + 32;
        program[entry..entry + 8].copy_from_slice(&[0x2c, 1, 0, 0, 100, 0, 0, 0]);
        let bare = without_signatures(program).unwrap();
        assert_eq!(bare.len(), 300);
        assert_eq!(bare[entry..entry + 8], [0; 8]);
        assert_eq!(without_signatures(bare.clone()), Some(bare));
        assert_eq!(without_signatures(b"MZ".to_vec()), None);
    }

    #[test]
    fn three_variables_hold_the_certificate() {
        let scratch = Scratch::new("secure").unwrap();
        let [from, to] = ["blank", "enrolled"].map(|name| scratch.path().join(name));
        let key = Key::at(scratch.path().to_owned());
        fs::write(scratch.path().join("certificate.der"), b"certificate").unwrap();
        fs::write(&from, blank()).unwrap();
        key.enrol(&from, &to).unwrap();
        let flash = fs::read(&to).unwrap();
        let mut at = 64 + STORE_HEADER;
        for name in ["d\0b\0\0\0", "K\0E\0K\0\0\0", "P\0K\0\0\0"] {
            let variable = &flash[at..];
            assert_eq!(variable[..8], [0xaa, 0x55, 0x3f, 0, 0x27, 0, 0, 0]);
            assert!(variable[HEADER..].starts_with(name.as_bytes()), "{name:?}");
            let length = HEADER + name.len() + 28 + 16 + b"certificate".len();
            assert!(variable[..length].ends_with(b"certificate"));
            at += length.next_multiple_of(4);
        }
        assert!(flash[at..].iter().all(|byte| *byte == 0xff));
        let said = key.enrol(&to, &from).unwrap_err().to_string();
        assert_eq!(said, "there are variables already");
    }
}
