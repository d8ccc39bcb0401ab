//! Who asked for something: a name for people, from what the kernel and sudo tell.
//!
//! It is for records and the journal only. Root can pretend to be anybody; nothing is
//! allowed or refused because of it.

/// What is known of whoever runs this program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Effective user id.
    pub user: u32,
    /// Who has logged in, as the kernel keeps it (/proc/self/loginuid); none where
    /// nobody has.
    pub login: Option<u32>,
    /// `SUDO_USER`.
    pub sudo: Option<String>,
}

impl Caller {
    /// A name such as `root`, `alice by sudo` or `alice as root`; `passwd` is the text of
    /// /etc/passwd (passwd(5)).
    #[must_use]
    pub fn name(&self, passwd: &str) -> String {
        let user = name_of(self.user, passwd);
        let login = self.login.map(|login| name_of(login, passwd));
        match (&self.sudo, login) {
            (Some(sudo), None) => format!("{sudo} by sudo"),
            (Some(_), Some(login)) if login != user => format!("{login} by sudo"),
            (None, Some(login)) if login != user => format!("{login} as {user}"),
            _ => user,
        }
    }
}

/// The value of /proc/self/loginuid, where somebody has logged in.
#[must_use]
pub fn login(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|login| *login != u32::MAX)
}

fn name_of(user: u32, passwd: &str) -> String {
    let is_of_user =
        |line: &&str| line.split(':').nth(2).and_then(|id| id.parse().ok()) == Some(user);
    let line = passwd.lines().find(is_of_user);
    let name = line.and_then(|line| line.split(':').next()).filter(|name| !name.is_empty());
    match (name, user) {
        (Some(name), _) => name.to_owned(),
        (None, 0) => "root".to_owned(),
        (None, user) => format!("user {user}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nodd\n:x:7:7::/:\nalice:x:1000:1000::/:\n";

    fn name(user: u32, login: Option<u32>, sudo: Option<&str>) -> String {
        Caller { user, login, sudo: sudo.map(str::to_owned) }.name(PASSWD)
    }

    #[test]
    fn whoever_asked_is_named() {
        assert_eq!(name(0, None, None), "root");
        assert_eq!(name(0, Some(0), None), "root");
        assert_eq!(name(0, Some(1000), None), "alice as root");
        assert_eq!(name(0, Some(1000), Some("alice")), "alice by sudo");
        assert_eq!(name(0, None, Some("bob")), "bob by sudo");
        assert_eq!(name(7, None, None), "user 7");
        assert_eq!(name(9, None, None), "user 9");
    }

    #[test]
    fn who_has_logged_in_is_what_the_kernel_says_and_not_the_environment() {
        assert_eq!(name(0, Some(1000), Some("root")), "alice by sudo");
        assert_eq!(name(0, Some(0), Some("alice")), "root");
    }

    #[test]
    fn root_is_known_where_no_file_names_it() {
        assert_eq!(Caller::default().name(""), "root");
    }

    #[test]
    fn a_service_has_no_login() {
        assert_eq!(login("4294967295"), None);
        assert_eq!(login("1000\n"), Some(1000));
        assert_eq!(login(""), None);
    }
}
