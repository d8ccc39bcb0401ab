//! Variables of a script: global ones of a context, those that are exported to the
//! contexts within it, and the positional ones of a function, file or entry.

use std::collections::BTreeMap;

/// The variables that a statement sees.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    variables: BTreeMap<String, Variable>,
    /// `$1` and so on.
    pub(super) arguments: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Variable {
    value: String,
    is_exported: bool,
}

impl Scope {
    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }

    /// Gives a variable a value; what was exported stays so.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        value.clone_into(&mut self.variables.entry(name.to_owned()).or_default().value);
    }

    /// Has the contexts within this one see a variable, with no value if it has none.
    pub(super) fn export(&mut self, name: &str) {
        self.variables.entry(name.to_owned()).or_default().is_exported = true;
    }

    /// Forgets a variable.
    pub(super) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// What a context within this one begins with.
    pub(super) fn within(&self) -> Self {
        let exported = self.variables.iter().filter(|(_, variable)| variable.is_exported);
        let variables = exported.map(|(name, variable)| (name.clone(), variable.clone()));
        Self { variables: variables.collect(), arguments: Vec::new() }
    }
}
