//! RAUC in guests: its programs with all that they need, in one directory, and what
//! makes its updates on this machine.

use crate::guest::{self, Kernel};
use crate::{command, place};
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The modules with which a kernel opens a bundle, in the order in which they are loaded.
const MODULES: [(&str, &str); 6] = [
    ("loop", "drivers/block"),
    ("squashfs", "fs/squashfs"),
    ("dm-mod", "drivers/md"),
    ("dm-bufio", "drivers/md"),
    ("reed_solomon", "lib/reed_solomon"),
    ("dm-verity", "drivers/md"),
];

/// A message bus on which root may do everything, and nobody else is.
const BUS: &str = "<busconfig><type>system</type>\
    <listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>\
    <policy context=\"default\"><allow own=\"*\"/><allow send_destination=\"*\"/>\
    <allow receive_sender=\"*\"/></policy></busconfig>\n";

/// Starts RAUC's service in a guest where `/data` holds what [`install`] has put there,
/// and waits until it answers. `/etc/rauc` is there already.
pub const START: &str = r#"
ln -s /data/lib /lib
ln -s /data/lib /lib64
echo 'root:x:0:0:root:/:/bin/sh' >/etc/passwd
mkdir -p /run/dbus /tmp /mnt
for module in loop squashfs dm-mod dm-bufio reed_solomon dm-verity; do
    insmod "/data/$module.ko"
done
export PATH="$PATH:/data/bin"
dbus-daemon --nofork --config-file=/data/bus.conf &
until [ -S /run/dbus/system_bus_socket ]; do usleep 50000; done
rauc service >/data/service.log 2>&1 &
tries=0
until rauc status >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "RAUC does not answer"; cat /data/service.log; break; }
    usleep 500000
done
"#;

/// Fills a directory, which is to become a partition of a guest.
///
/// # Errors
///
/// If the cache lacks something.
pub fn install(kernel: &Kernel, directory: &Path) -> Result<()> {
    guest::put_below(directory, &guest::rauc_tools(kernel.arch)?)?;
    for (name, place) in MODULES {
        let module = kernel.module(&format!("kernel/{place}/{name}.ko"))?;
        fs::write(directory.join(format!("{name}.ko")), module)?;
    }
    Ok(fs::write(directory.join("bus.conf"), BUS)?)
}

/// Makes "key.pem" and "cert.pem" in a directory: who may make updates.
///
/// # Errors
///
/// If openssl cannot be run.
pub fn make_certificate(directory: &Path) -> Result<()> {
    let config = directory.join("openssl.cnf");
    fs::write(&config, "[req]\ndistinguished_name=name\n[name]\n")?;
    let mut openssl = command::tool("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-nodes", "-days", "3650", "-subj", "/CN=updates", "-config"]).arg(&config);
    openssl.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(directory);
    command::output(&mut openssl).map(drop)
}

/// Runs commands of a document in a directory, with the tools of the cache.
///
/// # Errors
///
/// If one of them fails, with what was printed.
pub fn follow(commands: &str, directory: &Path) -> Result<String> {
    let mut path = place::cache()?.join("tools/bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-u", "-o", "pipefail", "-c", commands]).current_dir(directory);
    command::output(shell.env("PATH", path))
}
