//! Tests of the library from outside.

mod corpus;
mod purgatory;
mod source;
