//! Kernels that are started without their decompressor.

use super::*;
use crate::image::{Limits, testing};

const LIMITS: Limits = Limits { output: 1 << 20 };

/// A bzImage with a small `vmlinux` in it.
fn bzimage() -> Vec<u8> {
    testing::payload_of(&testing::gzip(&testing::vmlinux()))
}

fn prepare<'a>(
    bundle: &'a Verified<Bundle<Vec<u8>>>,
    decompress: Decompress,
    machine: &Machine,
) -> Result<Prepared<'a>, Error> {
    Prepared::new(unpacked(&bundle.linux.bytes), bundle, &how(decompress), machine.seeds.as_ref())
}

const fn how(decompress: Decompress) -> Unpacking<'static> {
    Unpacking { engine: Engine::Segments, decompress, against: None, limits: &LIMITS }
}

fn with_plan<T>(
    linux: Vec<u8>,
    options: &str,
    machine: &Machine,
    check: impl FnOnce(Result<&Plan<'_>, Error>) -> T,
) -> T {
    let mut bundle = bundle(linux, &[&[7; 5000]]);
    bundle.options = options.to_owned();
    let bundle = verified(bundle);
    let prepared = prepare(&bundle, Decompress::Always, machine).unwrap();
    match make(SEGMENTS, &FACTS, &prepared, &bundle, machine, &blob()) {
        Ok(plan) => check(Ok(&plan)),
        Err(error) => check(Err(error)),
    }
}

fn kernels<'p>(plan: &'p Plan<'_>) -> Vec<(u64, &'p [u8])> {
    let kernels =
        plan.placement().unwrap().segments.iter().filter(|segment| segment.name == "kernel");
    kernels.map(|segment| (segment.range.start(), segment.bytes.as_ref())).collect()
}

/// The least distance of the relocated words from where they were linked.
fn distance(text: &[u8]) -> u64 {
    u64::from_le_bytes(*text.first_chunk().unwrap()).wrapping_sub(0x0101_0101_0101_0101)
}

#[test]
fn its_segments_keep_their_distances_wherever_they_go() {
    with_plan(bzimage(), "ro", &q35(), |plan| {
        let plan = plan.unwrap();
        let [(text, _), (data, _)] = kernels(plan)[..] else { panic!("{plan}") };
        assert_eq!(data - text, 0x10_0000);
        assert!(text.is_multiple_of(2 << 20) && text >= 16 << 20);
        assert_eq!(block(plan).entry(), text);
        assert_every_check_holds(plan);
        let window = Range::with_len(text, 0x10_0020 + (2 << 20)).unwrap();
        for other in
            plan.placement().unwrap().segments.iter().filter(|segment| segment.name != "kernel")
        {
            assert!(!window.overlaps(other.range), "{other}");
        }
        assert!(is_mapped(plan, window.start()) && is_mapped(plan, window.end() - 1));
        let params = &segment(plan, "params").bytes;
        assert_eq!(params[0x202..0x206], *b"HdrS");
        assert_eq!(params[0x211], 2, "the kernel is told that it was moved");
    });
}

#[test]
fn both_its_addresses_are_random_within_their_bounds() {
    let mut places = Vec::new();
    for n in [0_u8, 1, 2, 77, 255] {
        let mut machine = q35();
        let seeds = machine.seeds.as_mut().unwrap();
        (seeds.kaslr, seeds.rng) = ([n; 8], [n; 128]);
        let place = with_plan(bzimage(), "ro", &machine, |plan| {
            let [(text, bytes), _] = kernels(plan.unwrap())[..] else { panic!() };
            (text, distance(bytes))
        });
        assert!(place.1.is_multiple_of(2 << 20) && place.1 + 0x110_0020 <= 1 << 30);
        places.push(place);
    }
    assert_eq!(places[0], (0x100_0000, 0));
    places.dedup();
    assert_eq!(places.len(), 5, "{places:x?}");
}

#[test]
fn with_nokaslr_it_stays_where_it_was_linked() {
    with_plan(bzimage(), "ro nokaslr", &q35(), |plan| {
        let plan = plan.unwrap();
        let mut data = [2; 16];
        data[12..].fill(0);
        assert_eq!(kernels(plan), [(0x100_0000, &[1; 32][..]), (0x110_0000, &data[..])]);
        assert_eq!(segment(plan, "params").bytes[0x211], 0);
    });
}

#[test]
fn a_bare_one_is_given_a_header_that_says_no_more_than_is_known() {
    with_plan(testing::vmlinux(), "ro", &q35(), |plan| {
        let params = segment(plan.unwrap(), "params").bytes.to_vec();
        assert_eq!(params[0x1fe..0x206], *b"\x55\xaa\xeb\x6aHdrS");
        assert_eq!((params[0x206], params[0x207], params[0x236]), (0x0f, 2, 3));
        assert_eq!(params[0x230..0x234], 0x20_0000_u32.to_le_bytes());
    });
}

fn plan_refusal(linux: Vec<u8>, machine: &Machine) -> String {
    with_plan(linux, "ro", machine, |plan| plan.unwrap_err().to_string())
}

#[test]
fn what_it_cannot_start_on_is_refused() {
    let encrypted = Machine { keep_page_tables: true, ..q35() };
    assert_eq!(plan_refusal(bzimage(), &encrypted), Error::Encrypted.to_string());
    let mut five_levels = q35();
    let Platform::Pc(pc) = &mut five_levels.platform else { unreachable!() };
    pc.five_level_paging = true;
    assert_eq!(plan_refusal(testing::vmlinux(), &five_levels), Error::FiveLevelPaging.to_string());
    with_plan(bzimage(), "ro", &five_levels, |plan| assert!(plan.is_ok()));

    let bundle = verified(bundle(testing::vmlinux(), &[]));
    let prepared = prepare(&bundle, Decompress::Never, &q35()).unwrap();
    let file = Request::Only(Engine::File);
    let error = make(file, &FACTS, &prepared, &bundle, &q35(), &blob()).unwrap_err();
    assert_eq!(error, Error::Vmlinux);
}

#[test]
fn one_from_another_file_is_refused() {
    let ours = verified(bundle(bzimage(), &[]));
    let theirs = verified(bundle(bzimage(), &[]));
    let how = how(Decompress::Always);
    let error = Prepared::new(unpacked(&theirs.linux.bytes), &ours, &how, None).unwrap_err();
    assert_eq!(error, Error::OtherKernel);
    let bare = verified(bundle(testing::vmlinux(), &[]));
    let prepared = prepare(&bare, Decompress::Always, &q35()).unwrap();
    let error = make(SEGMENTS, &FACTS, &prepared, &ours, &q35(), &blob()).unwrap_err();
    assert_eq!(error, Error::OtherKernel);
}

/// What of this kernel is loaded, and why that.
fn form(linux: &[u8], how: Unpacking<'_>) -> Result<(&'static str, &'static str), String> {
    let bundle = verified(bundle(linux.to_vec(), &[]));
    let prepared = Prepared::new(unpacked(&bundle.linux.bytes), &bundle, &how, None);
    let prepared = prepared.map_err(|error| error.to_string())?;
    let KernelForm { name, why } = prepared.form();
    Ok((name, why))
}

#[test]
fn a_bzimage_is_unpacked_when_it_is_wanted_and_pays() {
    use Decompress::{Always, Auto, Never};
    const ASKED: &str = "it was asked for";
    let slow = bzimage();
    assert_eq!(form(&slow, how(Always)), Ok(("vmlinux", ASKED)));
    assert_eq!(form(&slow, how(Auto)), Ok(("vmlinux", "there was time to unpack it")));
    assert_eq!(form(&slow, how(Never)), Ok(("bzImage", ASKED)));
    let file = Unpacking { engine: Engine::File, ..how(Always) };
    assert_eq!(form(&slow, file), Ok(("bzImage", "kexec_file_load takes nothing else")));
    let vmlinux = testing::vmlinux();
    let fixed = testing::payload_of(&testing::gzip(&vmlinux[..vmlinux.len() - 28]));
    assert_eq!(form(&fixed, how(Always)), Ok(("vmlinux", ASKED)));
    let kaslr = "unpacked here it would have no random address";
    assert_eq!(form(&fixed, how(Auto)), Ok(("bzImage", kaslr)));
    let mut broken = slow;
    let at = broken.windows(4).position(|word| word == b"\x7fELF").unwrap();
    broken[at] = 0;
    assert_eq!(form(&broken, how(Auto)), Ok(("bzImage", "it cannot be unpacked here")));
    let reason = form(&broken, how(Always)).unwrap_err();
    assert!(reason.starts_with("the bzImage cannot be unpacked: "), "{reason}");
}

#[test]
fn what_speaks_against_unpacking_decides_only_where_that_was_left_open() {
    let no_time = Some(Unpacking::NO_TIME);
    let auto = Unpacking { against: no_time, ..how(Decompress::Auto) };
    assert_eq!(form(&bzimage(), auto), Ok(("bzImage", Unpacking::NO_TIME)));
    let always = Unpacking { against: no_time, ..how(Decompress::Always) };
    assert_eq!(form(&bzimage(), always), Ok(("vmlinux", "it was asked for")));
}

#[test]
fn the_words_of_the_configuration_are_read() {
    use Decompress::{Always, Auto, Never};
    let read = ["auto", "always", "never", "no"].map(Decompress::parse);
    assert_eq!(read, [Some(Auto), Some(Always), Some(Never), None]);
}
