//! What `turnout-sign` is made of: keys and agents that sign, the entries of a
//! boot partition and what is signed about them.

pub mod agent;
pub mod entry;
pub mod key_file;
pub mod progress;
pub mod ring;
pub mod seal;
pub mod secret;
pub mod sign;
pub mod signer;
pub mod words;
