//! Variables of a script: global ones of a context, those that are exported to the
//! contexts within it, and the positional ones of a function, file or entry.

use std::collections::BTreeMap;

/// The variables that a statement sees.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    variables: BTreeMap<String, Variable>,
    /// `$1` and so on; `None` where nothing has any, as at the top of a file.
    pub(super) arguments: Option<Vec<String>>,
    /// How many bytes names and values have.
    size: usize,
}

#[derive(Debug, Clone, Default)]
struct Variable {
    value: String,
    is_exported: bool,
}

/// About how much a variable takes beside its name and value.
const OVERHEAD: usize = 64;

impl Scope {
    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }

    /// Gives a variable a value; what was exported stays so.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let variable = self.variable(name);
        let before = core::mem::replace(&mut variable.value, value.to_owned()).len();
        self.size = self.size.saturating_sub(before).saturating_add(value.len());
    }

    fn variable(&mut self, name: &str) -> &mut Variable {
        if !self.variables.contains_key(name) {
            self.size = self.size.saturating_add(name.len()).saturating_add(OVERHEAD);
        }
        self.variables.entry(name.to_owned()).or_default()
    }

    /// Has the contexts within this one see a variable, with no value if it has none.
    pub(super) fn export(&mut self, name: &str) {
        self.variable(name).is_exported = true;
    }

    /// Forgets a variable.
    pub(super) fn unset(&mut self, name: &str) {
        if let Some(variable) = self.variables.remove(name) {
            let freed = name.len().saturating_add(variable.value.len()).saturating_add(OVERHEAD);
            self.size = self.size.saturating_sub(freed);
        }
    }

    /// All variables, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }

    /// What a context within this one begins with.
    pub(super) fn within(&self) -> Self {
        let mut within = Self::default();
        for (name, variable) in self.variables.iter().filter(|(_, variable)| variable.is_exported) {
            within.set(name, &variable.value);
            within.export(name);
        }
        within
    }

    /// How many bytes it takes, about.
    pub(super) const fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_within_sees_what_was_exported() {
        let mut scope = Scope::default();
        scope.set("a", "1");
        scope.set("b", "2");
        scope.export("b");
        scope.export("c");
        scope.set("b", "3");
        let within = scope.within();
        assert_eq!(within.all().collect::<Vec<_>>(), [("b", "3"), ("c", "")]);
        assert_eq!(within.within().get("b"), Some("3"));
    }

    #[test]
    fn it_knows_what_it_takes() {
        let mut scope = Scope::default();
        scope.set("name", "value");
        scope.set("name", "v");
        assert_eq!(scope.size(), OVERHEAD + 5);
        scope.export("x");
        scope.unset("x");
        scope.unset("name");
        scope.unset("name");
        assert_eq!(scope.size(), 0);
    }
}
