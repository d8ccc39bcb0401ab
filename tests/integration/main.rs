//! Tests of the library from outside.

mod corpus;
mod layering;
mod purgatory;
mod source;
