//! Kernel modules that are made up: what they say of themselves, what they import, and
//! a driver of PCI devices.

use crate::elf::{ET_REL, X86_64};

/// A module in the making.
#[derive(Default)]
pub(crate) struct Module<'a> {
    /// NUL-separated fields of `.modinfo`, written with `|`.
    pub(crate) info: &'a str,
    pub(crate) imports: &'a [&'a str],
    pub(crate) driver: Option<Driver>,
}

/// A `struct pci_driver`.
#[derive(Clone, Copy)]
pub(crate) struct Driver {
    /// Where in its section `id_table` is: 24 behind the start with Linux 6.1, 8 since.
    pub(crate) id_table: u64,
    pub(crate) has_shutdown: bool,
    /// Whether `probe` is a function of another module.
    pub(crate) is_probe_imported: bool,
}

const TEXT: u16 = 2;
const DATA: u16 = 3;
const TABLE_AT: u64 = 0x100;

struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    content: Vec<u8>,
    link: u32,
    info: u32,
}

fn section(name: &'static str, kind: u32, flags: u64, content: Vec<u8>) -> Section {
    Section { name, kind, flags, content, link: 0, info: 0 }
}

impl Module<'_> {
    pub(crate) fn bytes(&self, release: &str) -> Vec<u8> {
        let info = format!("{}\0vermagic={release} SMP mod_unload \0", self.info);
        let names = self.names();
        let (progbits, symtab, strtab, rela) = (1, 2, 3, 4);
        let executable = 6;
        let mut symbols = section(".symtab", symtab, 0, self.symbols());
        symbols.link = 5;
        symbols.info = 2;
        let mut relocations = section(".rela.data", rela, 0, self.relocations());
        relocations.link = 6;
        relocations.info = DATA.into();
        write(&[
            section("", 0, 0, Vec::new()),
            section(".modinfo", progbits, 2, info.replace('|', "\0").into_bytes()),
            section(".text", progbits, executable, vec![0; 64]),
            section(".data", progbits, 3, vec![0; 0x200]),
            relocations,
            section(".strtab", strtab, 0, names.concat().into_bytes()),
            symbols,
        ])
    }

    /// Names of the symbols: none, `.text`, the table, and the imports.
    fn names(&self) -> Vec<String> {
        let fixed = ["", "code", "__mod_pci__ids_device_table"];
        fixed.iter().chain(self.imports).map(|name| format!("{name}\0")).collect()
    }

    fn symbols(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut name_at = 0_u32;
        for (index, name) in self.names().iter().enumerate() {
            let (section, value) = match index {
                1 => (TEXT, 0),
                2 => (DATA, TABLE_AT),
                _ => (0, 0),
            };
            let global = 0x10;
            out.extend(name_at.to_le_bytes());
            out.extend([if index < 2 { 0 } else { global }, 0]);
            out.extend(section.to_le_bytes());
            out.extend([value, 8].iter().flat_map(|word: &u64| word.to_le_bytes()));
            name_at += u32::try_from(name.len()).unwrap();
        }
        out
    }

    fn relocations(&self) -> Vec<u8> {
        let Some(driver) = self.driver else { return Vec::new() };
        let (code, table, first_import) = (1, 2, 3);
        let probe = if driver.is_probe_imported { first_import } else { code };
        let mut pointers = vec![(0, table), (8, probe), (16, code)];
        pointers.extend(driver.has_shutdown.then_some((40, code)));
        let absolute = 1;
        let words = pointers.into_iter().flat_map(|(bytes, symbol): (u64, u64)| {
            [driver.id_table + bytes, symbol << 32 | absolute, 0]
        });
        words.flat_map(u64::to_le_bytes).collect()
    }
}

fn write(sections: &[Section]) -> Vec<u8> {
    const HEADER: usize = 64;
    let mut names = String::new();
    let mut headers = Vec::new();
    let mut body = Vec::new();
    for one in sections {
        add(&mut headers, names.len(), HEADER + body.len(), one);
        names.push_str(&format!("{}\0", one.name));
        body.extend(&one.content);
    }
    let at = names.len();
    names.push_str(".shstrtab\0");
    let own = section(".shstrtab", 3, 0, names.into_bytes());
    add(&mut headers, at, HEADER + body.len(), &own);
    body.extend(&own.content);
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend([ET_REL, X86_64].iter().flat_map(|half| half.to_le_bytes()));
    out.extend(1_u32.to_le_bytes());
    out.extend([0, 0, HEADER + body.len()].iter().flat_map(|word| word.to_le_bytes()));
    out.extend(0_u32.to_le_bytes());
    let count = u16::try_from(sections.len()).unwrap();
    out.extend([64, 0, 0, 64, count + 1, count].iter().flat_map(|half: &u16| half.to_le_bytes()));
    [out, body, headers].concat()
}

fn add(headers: &mut Vec<u8>, name: usize, at: usize, section: &Section) {
    let entry = match section.kind {
        2 | 4 => 24,
        _ => 0,
    };
    headers.extend(u32::try_from(name).unwrap().to_le_bytes());
    headers.extend(section.kind.to_le_bytes());
    let (at, len) = (at as u64, section.content.len() as u64);
    headers.extend([section.flags, 0, at, len].iter().flat_map(|word| word.to_le_bytes()));
    headers.extend([section.link, section.info].iter().flat_map(|word| word.to_le_bytes()));
    headers.extend([1, entry].iter().flat_map(|word: &u64| word.to_le_bytes()));
}
