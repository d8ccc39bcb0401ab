//! What the kernel tells of a device: in an event, or in the `uevent` file of one that
//! was there before (Linux, Documentation/ABI/testing/sysfs-uevent).

/// The fields of a device that matter for its driver; a field that is not text, or not
/// there, is empty.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Event<'e> {
    /// What has happened; empty in a file.
    pub action: &'e str,
    /// Its place below /sys; empty in a file.
    pub path: &'e str,
    /// Its bus or its class; empty in a file.
    pub subsystem: &'e str,
    /// What drivers know it by.
    pub modalias: &'e str,
    /// The driver that has it.
    pub driver: &'e str,
}

impl<'e> Event<'e> {
    /// Reads an event as it comes from the kernel: parts that end in NUL.
    #[must_use]
    pub fn parse(event: &'e [u8]) -> Self {
        Self::of_parts(event, 0)
    }

    /// Reads an `uevent` file.
    #[must_use]
    pub fn of_file(text: &'e [u8]) -> Self {
        Self::of_parts(text, b'\n')
    }

    fn of_parts(text: &'e [u8], separator: u8) -> Self {
        let mut event = Self::default();
        for part in text.split(|byte| *byte == separator) {
            let Some((key, value)) =
                str::from_utf8(part).ok().and_then(|part| part.split_once('='))
            else {
                continue;
            };
            match key {
                "ACTION" => event.action = value,
                "DEVPATH" => event.path = value,
                "SUBSYSTEM" => event.subsystem = value,
                "MODALIAS" => event.modalias = value,
                "DRIVER" => event.driver = value,
                _ => {}
            }
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_and_a_file_say_the_same_in_other_words() {
        let event = Event::parse(
            b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=mmc\0MMC_TYPE=SD\0\
              MODALIAS=mmc:block\0SEQNUM=7\0",
        );
        let expected = Event {
            action: "add",
            path: "/devices/x",
            subsystem: "mmc",
            modalias: "mmc:block",
            driver: "",
        };
        assert_eq!(event, expected);
        let file = Event::of_file(b"DRIVER=mmcblk\nMMC_TYPE=SD\nMODALIAS=mmc:block\n");
        assert_eq!((file.driver, file.modalias), ("mmcblk", "mmc:block"));
    }

    #[test]
    fn what_is_no_field_is_passed_over() {
        for bytes in [&b""[..], b"\0\0\0", b"MODALIAS", b"=x", b"MODALIAS=\xff\xfe\0", b"\n=\n"] {
            assert_eq!(Event::parse(bytes), Event::default());
            assert_eq!(Event::of_file(bytes), Event::default());
        }
        assert_eq!(Event::parse(b"MODALIAS=a\nDRIVER=b\0").driver, "", "a value may be any text");
    }
}
