//! `turnout-sign sign --agent` with OpenSSH's own agent, and with keys on a
//! token (in software): what is signed so is what ssh-keygen accepts, and the
//! other way round.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;
#[path = "common/more_keys.rs"]
mod more_keys;
#[path = "common/openssh.rs"]
mod openssh;
#[path = "common/programs.rs"]
mod programs;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use boot_tree::{TURNOUT_SIGN, boot_tree, sign, verify};
use common::{Done, Scratch, finish, run, text};
use more_keys::add_key;
use openssh::have_openssh;
use programs::programs;

/// The token in software, for `SSH_SK_PROVIDER`.
const TOKEN: &str = "examples/libsoftware_token.so";

/// An ssh-agent, stopped when it is dropped.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(scratch: &Scratch) -> Self {
        let socket = scratch.path("agent");
        // An agent loads only the token libraries that it is told to trust.
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .arg("-P")
            .arg(programs().join(TOKEN))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, socket };
        let start = Instant::now();
        while !agent.socket.exists() {
            assert!(start.elapsed() < Duration::from_secs(30), "ssh-agent does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        agent
    }

    /// A command that finds the agent and the token.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SSH_AUTH_SOCK", &self.socket).env("SSH_SK_PROVIDER", programs().join(TOKEN));
        command
    }

    /// Adds a private key.
    fn add(&self, key: &str) {
        finish(self.command("ssh-add").args(["-q", key])).expect(0, &[]);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Signs the entry "good" with a key of the agent.
fn sign_with(agent: &Agent, tree: &Scratch, which: &str) -> Done {
    let root = text(&tree.path("root"));
    finish(agent.command(TURNOUT_SIGN).args(["sign", which, "--root", &root, "good"]))
}

/// `ssh-keygen -Y verify` of the tree's manifest, by `signer`.
fn ssh_keygen_verifies(tree: &Scratch, signer: &str, namespace: &str) -> bool {
    let file = |below: &str| text(&tree.path(below));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "verify", "-I", signer, "-n", namespace]);
    command.args(["-f", &file("ring"), "-s", &file("root/turnout/good.manifest.sig")]);
    command.stdin(File::open(tree.path("root/turnout/good.manifest")).unwrap());
    command.status().unwrap().success()
}

/// Makes a key on the token and adds it to the tree's ring.
fn token_key(tree: &Scratch) -> String {
    let key = text(&tree.path("token"));
    let mut keygen = Command::new("ssh-keygen");
    keygen.env("SSH_SK_PROVIDER", programs().join(TOKEN));
    keygen.args(["-q", "-t", "ed25519-sk", "-N", "", "-C", "token@example.org", "-f", &key]);
    finish(&mut keygen).expect(0, &[]);
    let line = run(TURNOUT_SIGN, &["ring", "line", &format!("{key}.pub")]);
    line.expect(0, &["token@example.org namespaces=\"turnout-boot\" sk-ssh-ed25519@openssh.com "]);
    let ring = String::from_utf8(tree.read("ring")).unwrap();
    tree.write("ring", ring + &line.text);
    key
}

#[test]
fn an_agent_signs_what_the_key_file_would_have_signed() {
    if !have_openssh() {
        return;
    }
    let tree = boot_tree();
    let agent = Agent::start(&tree);
    sign(&tree, &[]).expect(0, &[]);
    let by_file = tree.read("root/turnout/good.manifest.sig");
    fs::remove_dir_all(tree.path("root/turnout")).unwrap();
    agent.add(&text(&tree.path("key")));
    fs::remove_file(tree.path("key")).unwrap();
    sign_with(&agent, &tree, "--agent").expect(0, &["signed good: x86_64, turnout-boot, key SHA"]);
    assert_eq!(tree.read("root/turnout/good.manifest.sig"), by_file);
    verify(&tree).expect(0, &["verified good: signed by release@example.org"]);
    assert!(ssh_keygen_verifies(&tree, "release@example.org", "turnout-boot"));
    assert!(!ssh_keygen_verifies(&tree, "release@example.org", "file"));
}

#[test]
fn of_several_keys_one_is_named_by_fingerprint_or_file() {
    if !have_openssh() {
        return;
    }
    let tree = boot_tree();
    let agent = Agent::start(&tree);
    let (one, two) = (text(&tree.path("key")), add_key(&tree, "second", "boot"));
    agent.add(&one);
    agent.add(&two);
    sign_with(&agent, &tree, "--agent")
        .expect(2, &["several keys; choose one with --agent=SHA256:", "second", "release@"]);
    assert!(!tree.path("root/turnout").exists(), "nothing was written");
    sign_with(&agent, &tree, &format!("--agent={two}.pub")).expect(0, &[]);
    verify(&tree).expect(0, &["signed by second"]);
    let shown = run(TURNOUT_SIGN, &["show", &format!("{one}.pub")]);
    let fingerprint = shown.text.split_whitespace().find(|word| word.starts_with("SHA256:"));
    sign_with(&agent, &tree, &format!("--agent={}", fingerprint.unwrap()))
        .expect(0, &["in place of SHA256:", "--add"]);
    verify(&tree).expect(0, &["signed by release@example.org"]);
    let other = add_key(&boot_tree(), "third", "boot");
    sign_with(&agent, &tree, &format!("--agent={other}.pub")).expect(2, &["cannot read"]);
    sign_with(&agent, &tree, "--agent=SHA256:x")
        .expect(2, &["does not hold the key SHA256:x", "ssh-add", "second"]);
}

#[test]
fn without_an_agent_or_a_key_in_it_the_next_step_is_said() {
    if !have_openssh() {
        return;
    }
    let tree = boot_tree();
    let root = text(&tree.path("root"));
    let sign = |socket: &str| {
        let mut command = Command::new(TURNOUT_SIGN);
        command.env("SSH_AUTH_SOCK", socket).args(["sign", "--agent", "--root", &root, "good"]);
        finish(&mut command)
    };
    sign("").expect(2, &["SSH_AUTH_SOCK is not set", "eval \"$(ssh-agent)\""]);
    sign("/nowhere").expect(2, &["there is no ssh-agent at /nowhere"]);
    let agent = Agent::start(&tree);
    sign_with(&agent, &tree, "--agent").expect(2, &["no Ed25519 key; add one with: ssh-add KEY"]);
    agent.add(&text(&tree.path("key")));
    finish(agent.command("ssh-add").arg("-q").arg("-D")).expect(0, &[]);
    let public = format!("--agent={}.pub", text(&tree.path("key")));
    sign_with(&agent, &tree, &public).expect(2, &["no Ed25519 key; add one with: ssh-add KEY"]);
}

#[test]
fn a_key_on_a_token_signs_through_the_agent() {
    if !have_openssh() {
        return;
    }
    let tree = boot_tree();
    let agent = Agent::start(&tree);
    agent.add(&token_key(&tree));
    sign_with(&agent, &tree, "--agent").expect(0, &["signed good"]);
    verify(&tree).expect(0, &["verified good: signed by token@example.org"]);
    assert!(ssh_keygen_verifies(&tree, "token@example.org", "turnout-boot"));
    assert!(!ssh_keygen_verifies(&tree, "token@example.org", "file"));
    let mut manifest = tree.read("root/turnout/good.manifest");
    manifest[20] ^= 1;
    tree.write("root/turnout/good.manifest", manifest);
    verify(&tree).expect(1, &["refused good: SIGNATURE_INVALID: "]);
}

#[test]
fn what_ssh_keygen_signed_with_a_token_is_accepted() {
    if !have_openssh() {
        return;
    }
    let tree = boot_tree();
    let key = token_key(&tree);
    sign(&tree, &[]).expect(0, &[]);
    fs::remove_file(tree.path("root/turnout/good.manifest.sig")).unwrap();
    let mut ssh_keygen = Command::new("ssh-keygen");
    ssh_keygen.env("SSH_SK_PROVIDER", programs().join(TOKEN));
    ssh_keygen.args(["-q", "-Y", "sign", "-n", "turnout-boot", "-f", &key]);
    finish(ssh_keygen.arg(tree.path("root/turnout/good.manifest"))).expect(0, &[]);
    verify(&tree).expect(0, &["verified good: signed by token@example.org"]);
}

#[test]
fn the_file_of_a_token_s_key_is_answered_with_the_agent() {
    if !have_openssh() {
        return;
    }
    let tree = boot_tree();
    let key = token_key(&tree);
    fs::rename(key, tree.path("key")).unwrap();
    sign(&tree, &[]).expect(2, &["is on a token", "ssh-add", "--agent"]);
}
