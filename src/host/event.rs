//! What the journal is told: one structured line for every load, unload, refusal and
//! jump.

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A kernel was loaded.
    Load,
    /// It was taken out again.
    Unload,
    /// Something was refused.
    Refusal,
    /// This system is left now.
    Jump,
    /// How this system came up was found out.
    CameUp,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub what: What,
    /// For people.
    pub sentence: String,
    /// For programs, besides `TURNOUT_EVENT`.
    pub fields: Vec<Field>,
}

/// A field of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Upper case; it gets `TURNOUT_` before it.
    pub name: &'static str,
    /// May have line ends.
    pub value: String,
}
