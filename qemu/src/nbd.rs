//! A disk that lies: a server of the network block device protocol that counts
//! what is read of an image and answers as it was told to.
//!
//! Follows the NBD protocol (doc/proto.md of its project), fixed newstyle
//! handshake, simple replies, one client after the other: what QEMU's own block
//! driver asks of it. It writes nothing, whoever asks.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// What is counted, in bytes.
pub const SECTOR: u64 = 512;
/// The longest request that is answered.
const MAX_REQUEST: u32 = 32 << 20;

const OPTION_MAGIC: &[u8; 8] = b"IHAVEOPT";
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const FIXED_NEWSTYLE_NO_ZEROES: u16 = 3;
const HAS_FLAGS: u16 = 1;
const OPT_ABORT: u32 = 2;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_UNSUPPORTED: u32 = 0x8000_0001;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const EPERM: u32 = 1;
const EIO: u32 = 5;
const EINVAL: u32 = 22;

/// How a place of the disk answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As it is when a sector is read for the first time, otherwise every time
    /// after.
    TrueOnce,
    /// Otherwise than it is, every time.
    False,
    /// EIO.
    Error,
}

/// A place and its answer.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Bytes of the disk, whole sectors.
    pub place: Range<u64>,
    /// How they answer.
    pub answer: Answer,
}

/// A server that runs until this process ends.
#[derive(Debug, Clone)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    disk: File,
    size: u64,
    faults: Vec<Fault>,
    /// Times that each sector was read.
    reads: Vec<u32>,
    writes: u32,
}

impl Server {
    /// Serves an image on a socket of this path.
    ///
    /// # Errors
    ///
    /// If the image cannot be opened or the socket not be made.
    pub fn start(disk: &Path, socket: &Path, faults: Vec<Fault>) -> Result<Self> {
        let disk = File::open(disk).with_context(|| disk.display().to_string())?;
        let size = disk.metadata()?.len();
        let sectors = usize::try_from(size.div_ceil(SECTOR))?;
        let state = State { disk, size, faults, reads: vec![0; sectors], writes: 0 };
        let server = Self(Arc::new(Mutex::new(state)));
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        let shared = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away in the middle has ended its machine.
                drop(shared.serve(stream));
            }
        });
        Ok(server)
    }

    /// How often each sector of a place was read.
    ///
    /// # Errors
    ///
    /// If the place is not on the disk.
    pub fn reads(&self, place: &Range<u64>) -> Result<Vec<u32>> {
        self.with(|state| state.reads.get(sectors(place)?).map(<[u32]>::to_vec).context("no place"))
    }

    /// How often somebody wanted to write.
    ///
    /// # Errors
    ///
    /// If the server has failed.
    pub fn writes(&self) -> Result<u32> {
        self.with(|state| Ok(state.writes))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        act(&mut *self.0.lock().ok().context("the disk's server has failed")?)
    }

    fn serve(&self, mut stream: UnixStream) -> Result<()> {
        let size = self.with(|state| Ok(state.size))?;
        shake_hands(&mut stream, size)?;
        loop {
            let request = Request::receive(&mut stream)?;
            match request.kind {
                READ => {
                    let answer = self.with(|state| state.read(request.offset, request.length))?;
                    request.reply(&mut stream, answer.as_deref().map_err(|errno| *errno))?;
                }
                WRITE => {
                    let data = u64::from(request.length);
                    std::io::copy(&mut (&stream).take(data), &mut std::io::sink())?;
                    self.with(|state| {
                        state.writes += 1;
                        Ok(())
                    })?;
                    request.reply(&mut stream, Err(EPERM))?;
                }
                DISCONNECT => return Ok(()),
                _ => request.reply(&mut stream, Err(EINVAL))?,
            }
        }
    }
}

fn sectors(place: &Range<u64>) -> Result<Range<usize>> {
    let first = place.start / SECTOR;
    let end = place.end.div_ceil(SECTOR);
    Ok(usize::try_from(first)?..usize::try_from(end)?)
}

impl State {
    /// The bytes, or the errno that the machine gets.
    fn read(&mut self, offset: u64, length: u32) -> Result<Result<Vec<u8>, u32>> {
        let place = offset..offset.saturating_add(length.into());
        if length > MAX_REQUEST || place.end > self.size {
            return Ok(Err(EINVAL));
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.disk.read_exact_at(&mut bytes, offset)?;
        for fault in self.faults.iter().filter(|fault| overlap(&fault.place, &place)) {
            if fault.answer == Answer::Error {
                count(&mut self.reads, &place)?;
                return Ok(Err(EIO));
            }
            lie(fault, &self.reads, offset, &mut bytes)?;
        }
        count(&mut self.reads, &place)?;
        Ok(Ok(bytes))
    }
}

/// Changes the first byte of each sector that does not answer as it is.
fn lie(fault: &Fault, reads: &[u32], offset: u64, bytes: &mut [u8]) -> Result<()> {
    for sector in fault.place.start / SECTOR..fault.place.end.div_ceil(SECTOR) {
        let was_read = reads.get(usize::try_from(sector)?).is_some_and(|count| *count > 0);
        let at = (sector * SECTOR).checked_sub(offset).map(usize::try_from).transpose()?;
        let byte = at.and_then(|at| bytes.get_mut(at));
        if let Some(byte) = byte.filter(|_| fault.answer == Answer::False || was_read) {
            *byte ^= 1;
        }
    }
    Ok(())
}

fn count(reads: &mut [u32], place: &Range<u64>) -> Result<()> {
    let read = reads.get_mut(sectors(place)?).context("a request beyond the disk")?;
    read.iter_mut().for_each(|count| *count += 1);
    Ok(())
}

const fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Offers the disk under whatever name it is asked for.
fn shake_hands(stream: &mut UnixStream, size: u64) -> Result<()> {
    stream.write_all(b"NBDMAGIC")?;
    stream.write_all(OPTION_MAGIC)?;
    stream.write_all(&FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes())?;
    let _: [u8; 4] = take(stream)?;
    loop {
        ensure!(&take::<8>(stream)? == OPTION_MAGIC, "the client knows another protocol");
        let option = u32::from_be_bytes(take(stream)?);
        let length = u32::from_be_bytes(take(stream)?);
        ensure!(length <= 4096, "an option of {length} bytes");
        let mut data = vec![0; usize::try_from(length)?];
        stream.read_exact(&mut data)?;
        match option {
            OPT_GO => {
                let export = [&[0, 0], &size.to_be_bytes()[..], &HAS_FLAGS.to_be_bytes()];
                answer_option(stream, option, REP_INFO, &export.concat())?;
                return answer_option(stream, option, REP_ACK, &[]);
            }
            OPT_ABORT => bail!("the client gave up"),
            _ => answer_option(stream, option, REP_UNSUPPORTED, &[])?,
        }
    }
}

fn answer_option(stream: &mut UnixStream, option: u32, reply: u32, data: &[u8]) -> Result<()> {
    let mut bytes = OPTION_REPLY.to_be_bytes().to_vec();
    for field in [option, reply, u32::try_from(data.len())?] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend(data);
    Ok(stream.write_all(&bytes)?)
}

fn take<const N: usize>(stream: &mut UnixStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

struct Request {
    kind: u16,
    cookie: [u8; 8],
    offset: u64,
    length: u32,
}

impl Request {
    fn receive(stream: &mut UnixStream) -> Result<Self> {
        ensure!(u32::from_be_bytes(take(stream)?) == REQUEST, "no request where one should be");
        let _flags: [u8; 2] = take(stream)?;
        Ok(Self {
            kind: u16::from_be_bytes(take(stream)?),
            cookie: take(stream)?,
            offset: u64::from_be_bytes(take(stream)?),
            length: u32::from_be_bytes(take(stream)?),
        })
    }

    fn reply(&self, stream: &mut UnixStream, answer: Result<&[u8], u32>) -> Result<()> {
        let mut bytes = REPLY.to_be_bytes().to_vec();
        bytes.extend(answer.err().unwrap_or(0).to_be_bytes());
        bytes.extend(self.cookie);
        bytes.extend(answer.unwrap_or_default());
        Ok(stream.write_all(&bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Scratch;

    fn client(socket: &Path) -> UnixStream {
        let mut stream = UnixStream::connect(socket).unwrap();
        assert_eq!(&take::<16>(&mut stream).unwrap(), b"NBDMAGICIHAVEOPT");
        assert_eq!(take::<2>(&mut stream).unwrap(), [0, 3]);
        stream.write_all(&[0, 0, 0, 3]).unwrap();
        // Structured replies first, as QEMU asks, which there are none of.
        for option in [8_u32, OPT_GO] {
            stream.write_all(OPTION_MAGIC).unwrap();
            stream.write_all(&option.to_be_bytes()).unwrap();
            stream.write_all(&[0; 4]).unwrap();
        }
        let unsupported: [u8; 20] = take(&mut stream).unwrap();
        assert_eq!(unsupported[12..16], REP_UNSUPPORTED.to_be_bytes());
        let export: [u8; 32] = take(&mut stream).unwrap();
        assert_eq!(export[22..30], 4096_u64.to_be_bytes());
        let _ack: [u8; 20] = take(&mut stream).unwrap();
        stream
    }

    fn ask(stream: &mut UnixStream, kind: u16, offset: u64, length: u32, data: &[u8]) -> u32 {
        stream.write_all(&REQUEST.to_be_bytes()).unwrap();
        stream.write_all(&[&[0; 2], &kind.to_be_bytes()[..], b"a cookie"].concat()).unwrap();
        stream.write_all(&offset.to_be_bytes()).unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        stream.write_all(data).unwrap();
        assert_eq!(u32::from_be_bytes(take(stream).unwrap()), REPLY);
        let error = u32::from_be_bytes(take(stream).unwrap());
        assert_eq!(&take::<8>(stream).unwrap(), b"a cookie");
        error
    }

    fn read<const N: usize>(stream: &mut UnixStream, offset: u64) -> [u8; N] {
        assert_eq!(ask(stream, READ, offset, u32::try_from(N).unwrap(), b""), 0);
        take(stream).unwrap()
    }

    #[test]
    fn each_place_answers_as_told_and_every_read_is_counted() {
        let scratch = Scratch::new("nbd-test").unwrap();
        let [disk, socket] = ["disk", "socket"].map(|name| scratch.path().join(name));
        std::fs::write(&disk, [7; 4096]).unwrap();
        let faults = vec![
            Fault { place: 512..1024, answer: Answer::TrueOnce },
            Fault { place: 1024..1536, answer: Answer::False },
            Fault { place: 1536..2048, answer: Answer::Error },
        ];
        let server = Server::start(&disk, &socket, faults).unwrap();
        let mut stream = client(&socket);
        let first: [u8; 1536] = read(&mut stream, 0);
        assert_eq!((first[0], first[512], first[1024], first[1025]), (7, 7, 6, 7));
        let second: [u8; 1024] = read(&mut stream, 512);
        assert_eq!((second[0], second[1], second[512]), (6, 7, 6));
        assert_eq!(ask(&mut stream, READ, 1024, 1024, b""), EIO);
        assert_eq!(ask(&mut stream, READ, 4096, 512, b""), EINVAL);
        assert_eq!(ask(&mut stream, WRITE, 0, 4, b"evil"), EPERM);
        assert_eq!(read::<512>(&mut stream, 3584), [7; 512]);
        assert_eq!(server.reads(&(0..2560)).unwrap(), [1, 2, 3, 1, 0]);
        assert_eq!(server.writes().unwrap(), 1);
        assert_eq!(std::fs::read(&disk).unwrap(), [7; 4096]);
    }
}
