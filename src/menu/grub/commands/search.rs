//! What looks for devices and asks what they are: `search` in all its forms, `probe`,
//! `loopback`, `ls`.
//!
//! A search that finds nothing leaves its variable as it was, as GRUB does, and is
//! said: what the variable names then may mean nothing here.

use super::{Call, Evaluator, Flow, Row, Status, wants};
use crate::base::text::quoted;
use crate::menu::grub::rules::Trap;
use crate::menu::grub::world::{By, Device, Found};
use crate::menu::{Code, paths};

pub(super) const ROWS: &[Row] = &[
    Row { name: "search", run: search },
    Row { name: "search.file", run: |evaluator, call| search_by(evaluator, call, By::File) },
    Row { name: "search.fs_uuid", run: |evaluator, call| search_by(evaluator, call, By::Uuid) },
    Row { name: "search.fs_label", run: |evaluator, call| search_by(evaluator, call, By::Label) },
    Row {
        name: "search.part_uuid",
        run: |evaluator, call| search_by(evaluator, call, By::PartUuid),
    },
    Row {
        name: "search.part_label",
        run: |evaluator, call| search_by(evaluator, call, By::PartLabel),
    },
    Row { name: "probe", run: probe },
    Row { name: "loopback", run: loopback },
    Row { name: "ls", run: ls },
];

/// What is looked for by `search`, and where the answer goes.
#[derive(Default)]
struct Wanted<'c> {
    by: Option<By>,
    value: Option<&'c str>,
    /// The variable; none where the answer is printed.
    variable: Option<&'c str>,
    hints: Vec<&'c str>,
}

impl<'c> Wanted<'c> {
    /// Options and words in any order.
    fn parse(words: &'c [String]) -> Self {
        let mut wanted = Self::default();
        let mut words = words.iter().map(String::as_str).peekable();
        let mut are_options = true;
        while let Some(word) = words.next() {
            let (name, value) = word.split_once('=').unzip();
            match name.unwrap_or(word) {
                _ if !are_options || !word.starts_with('-') || word == "-" => {
                    wanted.value.get_or_insert(word);
                }
                "--" => are_options = false,
                "--set" => {
                    let next = words.next_if(|next| value.is_none() && !next.starts_with('-'));
                    wanted.variable = value.or(next).or(Some(""));
                }
                "-h" | "--hint" | "--hint-ieee1275" | "--hint-bios" | "--hint-baremetal"
                | "--hint-efi" | "--hint-arc" => {
                    wanted.hints.extend(value.or_else(|| words.next()));
                }
                name if name.starts_with("--") => wanted.by = by_of(name).or(wanted.by),
                letters => letters.chars().for_each(|letter| wanted.take_letter(letter)),
            }
        }
        wanted.settle()
    }

    /// One of several letters behind a `-`.
    fn take_letter(&mut self, letter: char) {
        match letter {
            'f' => self.by = Some(By::File),
            'l' => self.by = Some(By::Label),
            'u' => self.by = Some(By::Uuid),
            's' => self.variable = self.variable.or(Some("")),
            _ => {}
        }
    }

    /// What looks like the variable is the value, where there is no other.
    fn settle(mut self) -> Self {
        if self.value.is_none() {
            self.value = self.variable.take().filter(|value| !value.is_empty());
            self.variable = self.value.map(|_| "");
        }
        self.variable = self.variable.map(|name| if name.is_empty() { "root" } else { name });
        self
    }
}

fn by_of(option: &str) -> Option<By> {
    Some(match option {
        "--file" => By::File,
        "--label" | "--fs-label" => By::Label,
        "--fs-uuid" => By::Uuid,
        "--part-uuid" => By::PartUuid,
        "--part-label" => By::PartLabel,
        _ => return None,
    })
}

/// `search [-f|-l|-u] [--set[=VARIABLE]] [--hint=DEVICE] NAME`.
fn search(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let wanted = Wanted::parse(call.words);
    let Some(value) = wanted.value else { return wants(evaluator, call, "one argument") };
    let Some(by) = wanted.by else {
        return evaluator.fail(call, Status::INVALID_COMMAND, "it is not said by what");
    };
    find(evaluator, call, &Search { by, value, variable: wanted.variable, hints: &wanted.hints })
}

/// `search.fs_uuid NAME [VARIABLE] [HINT...]` and its like.
fn search_by(evaluator: &mut Evaluator<'_>, call: &Call<'_>, by: By) -> Flow {
    let mut words = call.words.iter().map(String::as_str);
    let Some(value) = words.next() else { return wants(evaluator, call, "one argument") };
    let variable = words.next();
    let hints: Vec<_> = words.collect();
    find(evaluator, call, &Search { by, value, variable, hints: &hints })
}

/// A search of which everything is known.
struct Search<'c> {
    by: By,
    value: &'c str,
    variable: Option<&'c str>,
    hints: &'c [&'c str],
}

fn find(evaluator: &mut Evaluator<'_>, call: &Call<'_>, search: &Search<'_>) -> Flow {
    let path = match search.by {
        By::File => paths::normalise(search.value).ok().filter(|_| search.value.starts_with('/')),
        _ => Some(search.value.to_owned()),
    };
    let world = evaluator.world;
    let found = path.and_then(|value| world.search(search.by, &value, search.hints));
    let Some(device) = found else { return missed(evaluator, call, search) };
    answer(evaluator, call, search.variable, world.name(device), " ")
}

fn missed(evaluator: &mut Evaluator<'_>, call: &Call<'_>, search: &Search<'_>) -> Flow {
    let what = match search.by {
        By::File => "the file",
        By::Uuid => "the UUID",
        By::Label => "the label",
        By::PartUuid => "the partition's UUID",
        By::PartLabel => "the partition's name",
        By::Name => "the name",
    };
    let said = ["no device is seen that has ", what, " ", &quoted(search.value)].concat();
    if search.variable == Some("root") {
        evaluator.loaded.missed_root = Some(said.clone());
    }
    evaluator.complain(call.line, Code::Device, said);
    if let Some(variable) = search.variable.filter(|_| !evaluator.holds(Trap::MissKeepsVariable)) {
        evaluator.scope.unset(variable);
    }
    Flow::Next(Status::FILE_NOT_FOUND)
}

/// Gives the variable the value, or prints it behind `before`.
fn answer(
    evaluator: &mut Evaluator<'_>,
    call: &Call<'_>,
    variable: Option<&str>,
    value: &str,
    before: &str,
) -> Flow {
    let Some(name) = variable else {
        evaluator.print(before);
        evaluator.print(value);
        return Flow::SUCCESS;
    };
    match evaluator.set(call.line, name, value) {
        Some(()) => Flow::SUCCESS,
        None => Flow::Stop,
    }
}

/// What `probe` is asked for.
#[derive(Clone, Copy)]
enum Target {
    Driver,
    Table,
    FileSystem,
    Property(By),
}

/// `probe [--set=VARIABLE] -d|-p|-f|-u|-l|--part-uuid DEVICE`.
fn probe(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let (mut variable, mut target, mut device) = (None, None, None);
    let mut words = call.words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').unzip();
        match name.unwrap_or(word) {
            "-s" | "--set" => variable = value.or_else(|| words.next()),
            "-d" | "--driver" => target = Some(Target::Driver),
            "-p" | "--partmap" => target = Some(Target::Table),
            "-f" | "--fs" => target = Some(Target::FileSystem),
            "-u" | "--fs-uuid" => target = Some(Target::Property(By::Uuid)),
            "-l" | "--label" => target = Some(Target::Property(By::Label)),
            "--part-uuid" => target = Some(Target::Property(By::PartUuid)),
            _ => device = device.or(Some(word)),
        }
    }
    let Some(name) = device else { return wants(evaluator, call, "a device") };
    let name = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')).unwrap_or(name);
    let device = match evaluator.world.device(name) {
        Ok(device) => device,
        Err(why) => {
            evaluator.complain(call.line, Code::Device, why);
            return Flow::Next(Status::UNKNOWN_DEVICE);
        }
    };
    let Some(target) = target else { return wants(evaluator, call, "what to tell") };
    match tell(evaluator, device, target) {
        Some(value) => answer(evaluator, call, variable, &value, ""),
        None => evaluator.fail(call, Status::NOT_IMPLEMENTED, "the device has no such thing"),
    }
}

fn tell(evaluator: &Evaluator<'_>, device: Device, target: Target) -> Option<String> {
    let world = evaluator.world;
    let table = world.name(device).rsplit_once(',').map_or("none", |(_, number)| number);
    let found = match target {
        Target::Driver if world.platform() == "pc" => Some("biosdisk"),
        Target::Driver => Some("efidisk"),
        Target::Table => Some(table.trim_end_matches(|c: char| c.is_ascii_digit())),
        Target::FileSystem => world.file_system(device),
        Target::Property(By::PartUuid) => world.property(device, By::PartUuid).or(Some("none")),
        Target::Property(by) => world.property(device, by),
    };
    found.map(str::to_owned)
}

/// `loopback [-d] NAME FILE`: succeeds where the file is there. What is on the device
/// that it would be is not seen, and its name says so where it is used.
fn loopback(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let words: Vec<_> = call.words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_deleted = call.words.iter().any(|word| word == "-d" || word == "--delete");
    match words.as_slice() {
        [] => wants(evaluator, call, "the name of a device"),
        _ if is_deleted => Flow::SUCCESS,
        [_] => wants(evaluator, call, "a file"),
        [_, file, ..] => {
            let place = evaluator.place(file);
            match place.map(|place| evaluator.world.look(&place)) {
                Ok(Found::File(_)) => Flow::SUCCESS,
                _ => Flow::Next(Status::FILE_NOT_FOUND),
            }
        }
    }
}

/// Alone it names all devices; more is not told.
fn ls(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    if call.words.is_empty() {
        let world = evaluator.world;
        for device in 0..world.count() {
            evaluator.print(&["(", world.name(device), ") "].concat());
        }
        evaluator.print("\n");
    }
    Flow::SUCCESS
}

#[cfg(test)]
mod tests {
    use crate::base::arch::Arch;
    use crate::menu::grub::devices::Devices;
    use crate::menu::grub::evaluator::Evaluator;
    use crate::menu::grub::world::Place;
    use crate::menu::{Budget, Device, Identity, Memory, Metered, Sight, Target};

    /// What a script prints on the first of two devices, and what is said of it.
    fn run(script: &str) -> (String, Vec<String>) {
        let home: Memory =
            [("/grub.cfg", script), ("/both", ""), ("/iso", "")].into_iter().collect();
        let other: Memory = [("/both", ""), ("/other", "")].into_iter().collect();
        let identity = |name: &str, uuid: &str| Identity {
            name: name.to_owned(),
            uuid: Some(uuid.to_owned()),
            partuuid: Some(format!("p{uuid}")),
            file_system: Some("ext4"),
            ..Identity::default()
        };
        let first = identity("vda,gpt2", "aa");
        let second = Identity { label: Some("L".to_owned()), ..identity("vdb,msdos1", "bb") };
        let others = [Device { identity: &second, files: &other }];
        let budget = Budget::default();
        let sight = Sight { others: &others, ..Sight::alone(&first) };
        let files = Metered::menus(&home, &budget).seeing(sight);
        let target = Target::new(Arch::X86_64, &[]);
        let world = Devices::new(&files, &target);
        let file = Place { device: 0, path: "/grub.cfg".to_owned() };
        let mut evaluator = Evaluator::new(&world, &file, super::super::find);
        evaluator.source(&file, 0);
        let said = evaluator.diagnostics.iter().map(ToString::to_string).collect();
        (evaluator.output, said)
    }

    /// Each of these prints this: `$?` behind the value of `$v`, which was `old`.
    fn check(cases: &[(&str, &str)]) {
        for (command, expected) in cases {
            let (printed, said) = run(&format!("v=old\n{command}\necho \"[$?] $v\"\n"));
            assert_eq!(printed, format!("{expected}\n"), "{command}: {said:?}");
        }
    }

    #[test]
    fn a_search_is_written_in_many_ways() {
        check(&[
            ("search --set=v --file /other", "[0] vdb,msdos1"),
            ("search --file /other --set v", "[0] vdb,msdos1"),
            ("search --set v --file /other", "[0] vdb,msdos1"),
            (
                "search --no-floppy --fs-uuid --set=v --hint-bios=hd0,gpt2 --hint hd9 BB",
                "[0] vdb,msdos1",
            ),
            ("search --no-floppy -u --set=v bb", "[0] vdb,msdos1"),
            ("search --label --set=v L", "[0] vdb,msdos1"),
            ("search --part-uuid --set=v paa", "[0] vda,gpt2"),
            ("search -nfs /other; v=$root", "[0] vdb,msdos1"),
            ("search -f --set /other; v=$root", "[0] vdb,msdos1"),
            ("search --file /both --set=v", "[0] vda,gpt2"),
            ("search --file /both --set=v --hint=vdb,msdos1", "[0] vdb,msdos1"),
            ("search.file /other v", "[0] vdb,msdos1"),
            ("search.fs_uuid bb v hd0,gpt2 hd1", "[0] vdb,msdos1"),
            ("search.fs_label L v", "[0] vdb,msdos1"),
            ("search -f /other", " vdb,msdos1[0] old"),
            ("search.file /other", " vdb,msdos1[0] old"),
            ("search --cryptodisk-only --efidisk-only --fs-uuid --set=v aa", "[0] vda,gpt2"),
        ]);
    }

    #[test]
    fn a_search_in_vain_has_grubs_status_and_leaves_the_variable() {
        check(&[
            ("search --set=v --file /nothing", "[5] old"),
            ("search --set=v --file other", "[5] old"),
            ("search.fs_uuid cc v", "[5] old"),
            ("search", "[18] old"),
            ("search /other --set=v", "[17] old"),
            ("search.fs_uuid", "[18] old"),
        ]);
        let (_, said) = run("search -u --set=root cc-1\nsearch.file /x\n");
        let expected = [
            "/grub.cfg:1: DEVICE: no device is seen that has the UUID \"cc-1\"",
            "/grub.cfg:2: DEVICE: no device is seen that has the file \"/x\"",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_device_is_probed_for_what_it_has() {
        check(&[
            ("probe --set=v -f (vdb,msdos1)", "[0] ext2"),
            ("probe -s v --fs-uuid $root", "[0] aa"),
            ("probe -u (vdb,msdos1)", "bb[0] old"),
            ("probe --set=v --part-uuid $root", "[0] paa"),
            ("probe --set=v -p (vdb,msdos1)", "[0] msdos"),
            ("probe --set=v --partmap $root", "[0] gpt"),
            ("probe --set=v -d $root", "[0] efidisk"),
            ("probe --set=v -l (vdb,msdos1)", "[0] L"),
            ("probe --set=v -l $root", "[24] old"),
            ("probe --set=v -u (hd0,gpt1)", "[12] old"),
            ("probe -u", "[18] old"),
            ("probe (vda,gpt2)", "[18] old"),
        ]);
        let (_, said) = run("probe -u (hd0,gpt1)\n");
        let firmware = "is GRUB's name and depends on the firmware's order of disks";
        assert_eq!(said, [format!("/grub.cfg:1: DEVICE: \"hd0,gpt1\" {firmware}")]);
    }

    #[test]
    fn a_file_as_a_device_is_known_and_not_opened() {
        check(&[
            ("loopback loop /iso", "[0] old"),
            ("loopback loop (vdb,msdos1)/other", "[0] old"),
            ("loopback loop /none", "[5] old"),
            ("loopback -d loop", "[0] old"),
            ("loopback loop", "[18] old"),
            ("loopback", "[18] old"),
            ("ls", "(vda,gpt2) (vdb,msdos1) \n[0] old"),
            ("ls (hd0)/", "[0] old"),
        ]);
    }
}
