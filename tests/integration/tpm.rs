//! The TPM's commands and answers against swtpm, where that is installed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use turnout::base::digest::Digest;
use turnout::measure::cap;
use turnout::rollback::generations::Write;
use turnout::rollback::index::{HANDLE, Index};
use turnout::rollback::store::{AREA_FRAME, Fault, InForce, Media, Medium, Store};
use turnout::rollback::texts::Texts;
use turnout::rollback::{Document, Strength};
use turnout::tpm::alg::HashAlg;
use turnout::tpm::command::{self, Auth};
use turnout::tpm::nv::{Public, attribute};
use turnout::tpm::pcr::{self, Pcr, Selection};
use turnout::tpm::platform::{self, Platform};
use turnout::tpm::{Error, response};
use turnout::trust::policy::Floors;

const INDEX: u32 = 0x0180_7475;
const LOCKOUT: u32 = 0x4000_000a;
const PLATFORM: u32 = 0x4000_000c;
const ALL: u32 = 0x00ff_ffff;

/// A swtpm that has been started, with an empty state.
struct Swtpm {
    stream: UnixStream,
    child: Child,
    state: PathBuf,
}

impl Swtpm {
    /// `None`, and a word about it, where there is no swtpm; a failure where
    /// tests/run has set all tools up.
    fn start(name: &str) -> Option<Self> {
        let state = std::env::temp_dir().join(format!("turnout-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&state).unwrap();
        match spawn(&state) {
            Ok(child) => Some(Self { stream: connect(&state.join("socket")), child, state }),
            Err(error) => {
                let is_set_up = std::env::var_os("TURNOUT_TOOLS").is_some();
                assert!(!is_set_up, "qemu/setup ran, and swtpm does not start: {error}");
                println!("skipped: swtpm: {error} (qemu/setup brings it)");
                None
            }
        }
    }

    fn call(&mut self, command: &[u8]) -> Vec<u8> {
        self.stream.write_all(command).unwrap();
        let mut answer = vec![0; 10];
        self.stream.read_exact(&mut answer).unwrap();
        let size = u32::from_be_bytes(answer[2..6].try_into().unwrap());
        answer.resize(size.try_into().unwrap(), 0);
        self.stream.read_exact(&mut answer[10..]).unwrap();
        answer
    }

    /// Switches it off and on again.
    fn restart(&mut self) {
        self.done(&[0, 0, 1, 0x45], &[0, 0]);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let socket = self.state.join("socket");
        std::fs::remove_file(&socket).unwrap();
        self.child = spawn(&self.state).unwrap();
        self.stream = connect(&socket);
    }

    /// Has it carry out a command without authorization.
    fn done(&mut self, code: &[u8], parameters: &[u8]) {
        let answer = self.call(&raw(0x8001, code, &[], parameters));
        assert_eq!(code_of(&answer), 0, "{answer:x?}");
    }

    /// The same by the empty password of a hierarchy; gives the response code.
    fn by(&mut self, hierarchy: u32, code: &[u8], parameters: &[u8]) -> u32 {
        code_of(&self.call(&raw(0x8002, code, &hierarchy.to_be_bytes(), parameters)))
    }

    /// Gives the bank of SHA-256 these PCRs, and that of SHA-1 all, from now on.
    fn allocate(&mut self, sha256: u32) {
        let [first, second, third, _] = sha256.to_le_bytes();
        let banks = [0, 0, 0, 2, 0, 0x0b, 3, first, second, third, 0, 4, 3, 0xff, 0xff, 0xff];
        assert_eq!(self.by(PLATFORM, &[0, 0, 1, 0x2b], &banks), 0);
        self.restart();
    }

    fn cap(&mut self) -> Result<bool, String> {
        let capped = cap(|command| Ok(self.call(command)), &[(HashAlg::SHA1, &[0xff; 20])]);
        capped.map(|event| event.is_some())
    }

    fn ask(&mut self) -> Result<Platform, String> {
        platform::ask(|command| Ok(self.call(command)))
    }

    fn close(&mut self) -> Result<Platform, String> {
        platform::close(|command| Ok(self.call(command)))
    }

    fn extend(&mut self, pcr: u32, digest: Digest) {
        let answer = self.call(&command::pcr_extend(pcr, &[(HashAlg::SHA256, &digest.0)]));
        response::done(&answer).unwrap();
    }

    fn value(&mut self, pcr: u32) -> Digest {
        let selection = Selection::sha256(&[pcr]);
        let answer = self.call(&command::pcr_read(selection));
        response::pcr_values(&answer, selection).unwrap()[0]
    }

    /// A policy session in which the TPM was told that PCR 8 is zero.
    fn policy_session(&mut self) -> (u32, Result<(), Error>) {
        let session = self.call(&command::start_policy_session(&[7; 16]));
        let session = response::session(&session).unwrap();
        let zero = Digest::of(&[0; 32]);
        let answer = self.call(&command::policy_pcr(session, Selection::sha256(&[8]), &zero));
        (session, response::done(&answer))
    }
}

fn spawn(state: &Path) -> std::io::Result<Child> {
    Command::new("swtpm")
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
        .arg(format!("dir={}", state.display()))
        .arg("--server")
        .arg(format!("type=unixio,path={}", state.join("socket").display()))
        .spawn()
}

/// A command that Turnout never gives.
fn raw(tag: u16, code: &[u8], handle: &[u8], parameters: &[u8]) -> Vec<u8> {
    let password: &[u8] = &[0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
    let password = if tag == 0x8002 { password } else { &[] };
    let rest = [code, handle, password, parameters].concat();
    let size = u32::try_from(6 + rest.len()).unwrap();
    [&tag.to_be_bytes()[..], &size.to_be_bytes(), &rest].concat()
}

fn code_of(answer: &[u8]) -> u32 {
    u32::from_be_bytes(answer[6..10].try_into().unwrap())
}

/// Waits for swtpm to come up.
fn connect(socket: &Path) -> UnixStream {
    let mut tries = (0..1000).filter_map(|_| {
        sleep(Duration::from_millis(5));
        UnixStream::connect(socket).ok()
    });
    tries.next().unwrap()
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

fn public() -> Public {
    use attribute::{AUTHREAD, NO_DA, OWNERREAD, POLICYWRITE};
    let policy = pcr::policy(Selection::sha256(&[8]), &Digest::of(&[0; 32]));
    let attributes = POLICYWRITE | AUTHREAD | OWNERREAD | NO_DA;
    Public { index: INDEX, attributes, policy: policy.0.to_vec(), size: 8 }
}

#[test]
fn a_tpm_extends_a_pcr_to_what_the_model_says() {
    let Some(mut tpm) = Swtpm::start("pcr") else { return };
    let banks = response::banks(&tpm.call(&command::get_capability_pcrs())).unwrap();
    let sha256 = banks.iter().find(|bank| bank.alg == HashAlg::SHA256).unwrap();
    assert_eq!(sha256.pcrs, 0x00ff_ffff);
    let digest = Digest::of(b"event");
    assert_eq!(tpm.value(9), Pcr::ZERO.0);
    tpm.extend(9, digest);
    assert_eq!(tpm.value(9), Pcr::ZERO.extended(&digest).0);
}

#[test]
fn an_index_is_made_written_while_its_policy_is_met_and_read() {
    let Some(mut tpm) = Swtpm::start("nv") else { return };
    let absent = response::nv_public(&tpm.call(&command::nv_read_public(INDEX)));
    assert!(absent.unwrap_err().is_absence());
    response::done(&tpm.call(&command::nv_define_space(&public()))).unwrap();
    let found = response::nv_public(&tpm.call(&command::nv_read_public(INDEX))).unwrap();
    assert_eq!(found, (public(), public().name().to_vec()));

    let (session, met) = tpm.policy_session();
    met.unwrap();
    let write = command::nv_write(Auth::Policy(session), INDEX, b"floor  7", 0);
    response::done(&tpm.call(&write)).unwrap();
    let read = command::nv_read(Auth::Index, INDEX, 8, 0);
    assert_eq!(response::data(&tpm.call(&read)).unwrap(), b"floor  7");
    let written = Public { attributes: public().attributes | attribute::WRITTEN, ..public() };
    let found = response::nv_public(&tpm.call(&command::nv_read_public(INDEX))).unwrap();
    assert_eq!(found, (written.clone(), written.name().to_vec()));
}

#[test]
fn after_the_first_measurement_nobody_writes_the_index() {
    let Some(mut tpm) = Swtpm::start("policy") else { return };
    response::done(&tpm.call(&command::nv_define_space(&public()))).unwrap();
    tpm.extend(8, Digest::of(b"decision"));
    let (session, met) = tpm.policy_session();
    assert_eq!(
        met.unwrap_err().to_string(),
        "the TPM refuses (0x1c4): a value that it does not take"
    );
    let write = command::nv_write(Auth::Policy(session), INDEX, b"floor  9", 0);
    let refusal = response::done(&tpm.call(&write)).unwrap_err().to_string();
    assert!(refusal.contains("a policy is not met"), "{refusal}");
    response::done(&tpm.call(&command::flush_context(session))).unwrap();
    let by_owner = command::nv_write(Auth::Owner, INDEX, b"floor  9", 0);
    let refusal = response::done(&tpm.call(&by_owner)).unwrap_err().to_string();
    assert!(refusal.contains("may not be used in this way"), "{refusal}");
    response::done(&tpm.call(&command::nv_undefine_space(INDEX))).unwrap();
}

/// A state area in memory.
struct Area([Vec<u8>; 2]);

impl Medium for Area {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        Ok(self.0.clone().map(Ok))
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        self.0[usize::from(write.place.index())].clone_from(&write.bytes);
        Ok(())
    }

    fn create(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// One start of an image that counts on the TPM.
fn start<T>(
    tpm: &mut Swtpm,
    area: &mut Area,
    factory: Option<Floors>,
    act: impl FnOnce(&mut Store, &mut Media<'_>) -> T,
) -> T {
    let mut index = Index(|command: &[u8]| Ok(tpm.call(command)));
    let mut media = Media { area, index: &mut index };
    let mut store = Store::open(Strength::Enforced, factory, &mut media);
    act(&mut store, &mut media)
}

#[test]
fn a_store_is_provisioned_kept_closed_by_a_measurement_and_missed_when_it_is_replaced() {
    let Some(mut tpm) = Swtpm::start("store") else { return };
    let (tpm, area) = (&mut tpm, &mut Area([vec![0; AREA_FRAME], vec![0; AREA_FRAME]]));
    let floors = Floors { boot: 7, recovery: 2 };
    let document = |version| Document { version, digest: Digest::of(b"text") };
    let standing = |store: &mut Store, _: &mut Media<'_>| (store.fault().cloned(), store.floors());
    assert_eq!(start(tpm, area, None, standing).0, Some(Fault::NoIndex));
    assert_eq!(start(tpm, area, Some(floors), standing), (None, floors));
    assert_eq!(start(tpm, area, None, standing), (None, floors));
    let take = |version| {
        move |store: &mut Store, media: &mut Media<'_>| {
            let policy = document(version);
            let texts = &Texts::default();
            store.take(&InForce { policy, ring: Document::NONE, texts }, media)
        }
    };
    assert_eq!(start(tpm, area, None, take(3)), Ok(()));
    assert_eq!(start(tpm, area, None, take(2)), Err(Fault::Older("policy", 2, 3)));

    tpm.extend(8, Digest::of(b"decision"));
    assert_eq!(start(tpm, area, None, take(4)), Err(Fault::Measured));
    assert_eq!(start(tpm, area, None, take(3)), Ok(()), "what is there need not be written");

    response::done(&tpm.call(&command::nv_undefine_space(HANDLE))).unwrap();
    let ours = Public { index: HANDLE, size: 276, ..public() };
    for (made, fault) in [
        (
            Public { attributes: ours.attributes & !attribute::NO_DA, ..ours.clone() },
            Fault::Foreign,
        ),
        (ours, Fault::Unwritten),
    ] {
        response::done(&tpm.call(&command::nv_define_space(&made))).unwrap();
        assert_eq!(start(tpm, area, None, standing).0, Some(fault));
        response::done(&tpm.call(&command::nv_undefine_space(HANDLE))).unwrap();
    }
}

/// How a write to the index by the policy of PCR 8 ends.
fn write(tpm: &mut Swtpm) -> Result<(), Error> {
    let (session, met) = tpm.policy_session();
    let write = command::nv_write(Auth::Policy(session), INDEX, b"floor  0", 0);
    let written = response::done(&tpm.call(&write));
    met.and(written)
}

#[test]
fn with_pcr_8_capped_by_itself_nobody_writes_the_index_whatever_else_the_bank_lacks() {
    let Some(mut tpm) = Swtpm::start("cap") else { return };
    response::done(&tpm.call(&command::nv_define_space(&public()))).unwrap();
    for missing in [0, 1 << 11, 1 << 9 | 1 << 11, ALL & !(1 << 8)] {
        tpm.allocate(ALL & !missing);
        assert_eq!(write(&mut tpm), Ok(()), "{missing:#x}: without a cap it is written");
        assert_eq!(tpm.cap(), Ok(true));
        assert_eq!(write(&mut tpm), Err(Error::Refused(0x1c4)), "{missing:#x}");
        assert_eq!(tpm.cap(), Ok(false), "once is enough");
    }
}

#[test]
fn without_pcr_8_in_its_bank_there_is_no_cap_and_nobody_writes_the_index() {
    let Some(mut tpm) = Swtpm::start("bank") else { return };
    response::done(&tpm.call(&command::nv_define_space(&public()))).unwrap();
    for pcrs in [ALL & !(1 << 8), 0] {
        tpm.allocate(pcrs);
        let why = tpm.cap().unwrap_err();
        assert_eq!(
            why,
            "PCR 8 cannot be read: the TPM's answer holds no value of every PCR that was asked for"
        );
        assert_eq!(write(&mut tpm), Err(Error::Refused(0x1c4)), "{pcrs:#x}");
        // Nor by the digest of what is there: of nothing.
        let session = tpm.call(&command::start_policy_session(&[7; 16]));
        let session = response::session(&session).unwrap();
        let nothing = Digest::of(&[]);
        let policy = command::policy_pcr(session, Selection::sha256(&[8]), &nothing);
        response::done(&tpm.call(&policy)).unwrap();
        let write = command::nv_write(Auth::Policy(session), INDEX, b"floor  0", 0);
        let refusal = response::done(&tpm.call(&write)).unwrap_err().to_string();
        assert!(refusal.contains("a policy is not met"), "{refusal}");
        response::done(&tpm.call(&command::flush_context(session))).unwrap();
    }
}

#[test]
fn a_tpm_that_is_locked_out_still_caps_and_keeps_its_index() {
    let Some(mut tpm) = Swtpm::start("lockout") else { return };
    response::done(&tpm.call(&command::nv_define_space(&public()))).unwrap();
    // No wrong authorization is allowed: TPM2_DictionaryAttackParameters.
    let none = [[0; 4], [0, 0, 0xff, 0xff], [0, 0, 0xff, 0xff]].concat();
    assert_eq!(tpm.by(LOCKOUT, &[0, 0, 1, 0x3a], &none), 0);
    assert_eq!(write(&mut tpm), Ok(()));
    assert_eq!(tpm.cap(), Ok(true));
    assert_eq!(write(&mut tpm), Err(Error::Refused(0x1c4)));
    assert_eq!(tpm.close(), Ok(Platform::Open));
}

#[test]
fn a_platform_hierarchy_that_was_closed_changes_no_bank_and_clears_no_index() {
    const TPM2_CLEAR: [u8; 4] = [0, 0, 1, 0x26];
    let Some(mut tpm) = Swtpm::start("platform") else { return };
    response::done(&tpm.call(&command::nv_define_space(&public()))).unwrap();
    assert_eq!(tpm.ask(), Ok(Platform::Open));
    assert_eq!(tpm.ask(), Ok(Platform::Open), "asking changes nothing");
    assert_eq!(tpm.close(), Ok(Platform::Open));
    assert_eq!(tpm.close(), Ok(Platform::Closed));
    assert_eq!(tpm.ask(), Ok(Platform::Closed), "asking opens nothing");
    assert_eq!(tpm.by(PLATFORM, &TPM2_CLEAR, &[]), 0x185);
    assert_eq!(tpm.by(PLATFORM, &[0, 0, 1, 0x2b], &[0, 0, 0, 0]), 0x185);
    assert_eq!(write(&mut tpm), Ok(()), "what the owner has made can be used as before");

    tpm.restart();
    assert_eq!(tpm.ask(), Ok(Platform::Open), "until the TPM is started again");
    // Firmware sets a password: TPM2_HierarchyChangeAuth.
    assert_eq!(tpm.by(PLATFORM, &[0, 0, 1, 0x29], &[0, 2, 7, 7]), 0);
    assert_eq!(tpm.ask(), Ok(Platform::Locked));
    assert_eq!(tpm.close(), Ok(Platform::Locked));
}
