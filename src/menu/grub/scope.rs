//! Variables of a script: global ones of a context, those that are exported to the
//! contexts within it, and the positional ones of a function, file or entry.

use std::collections::BTreeMap;
use std::rc::Rc;

/// The variables that a statement sees.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// By name; `None` for what was forgotten. The texts are shared: each entry's body
    /// is evaluated in a copy.
    variables: BTreeMap<Rc<str>, Option<Variable>>,
    /// `$1` and so on; `None` where nothing has any, as at the top of a file.
    pub(super) arguments: Option<Vec<String>>,
    /// How many bytes names and values have.
    size: usize,
}

#[derive(Debug, Clone)]
struct Variable {
    value: Rc<str>,
    is_exported: bool,
}

/// About how much a variable takes beside its name and value.
const OVERHEAD: usize = 64;

impl Scope {
    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        Some(&self.variable(name)?.value)
    }

    fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)?.as_ref()
    }

    /// Gives a variable a value; what was exported stays so.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let is_exported = self.variable(name).is_some_and(|variable| variable.is_exported);
        self.put(name, Variable { value: Rc::from(value), is_exported });
    }

    /// Has the contexts within this one see a variable, with no value if it has none.
    pub(super) fn export(&mut self, name: &str) {
        let value = self.variable(name).map(|variable| Rc::clone(&variable.value));
        let value = value.unwrap_or_else(|| Rc::from(""));
        self.put(name, Variable { value, is_exported: true });
    }

    fn put(&mut self, name: &str, variable: Variable) {
        self.size = self.size.saturating_add(variable.value.len());
        if let Some(known) = self.variables.get_mut(name) {
            let before = known.replace(variable).map_or(0, |variable| variable.value.len());
            self.size = self.size.saturating_sub(before);
        } else {
            self.size = self.size.saturating_add(name.len()).saturating_add(OVERHEAD);
            self.variables.insert(Rc::from(name), Some(variable));
        }
    }

    /// Forgets a variable; its name stays held.
    pub(super) fn unset(&mut self, name: &str) {
        if let Some(variable) = self.variables.get_mut(name).and_then(Option::take) {
            self.size = self.size.saturating_sub(variable.value.len());
        }
    }

    /// All variables, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.variables.iter();
        all.filter_map(|(name, variable)| Some((&**name, &*variable.as_ref()?.value)))
    }

    /// What a context within this one begins with.
    pub(super) fn within(&self) -> Self {
        let mut within = Self::default();
        for (name, variable) in &self.variables {
            if let Some(shared) = variable.as_ref().filter(|variable| variable.is_exported) {
                within.put(name, shared.clone());
            }
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
        assert_eq!(scope.size(), 2 * OVERHEAD + 5, "names stay");
        assert_eq!((scope.get("name"), scope.all().count()), (None, 0));
        scope.set("name", "again");
        assert_eq!((scope.get("name"), scope.size()), (Some("again"), 2 * OVERHEAD + 10));
    }
}
