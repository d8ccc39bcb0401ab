//! Tests of the library from outside.

mod corpus;
mod source;
