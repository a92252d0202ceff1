//! The language of list filters: SQL's `WHERE`, as Temporal's query converter understands it.

mod ast;
mod convert;
mod operand;
mod parse;
mod token;
mod words;

pub(crate) use convert::{Column, Extra, Names, Query, Unsupported, convert};
pub(crate) use operand::status_name;

/// Refuses a filter that isn't even SQL; the error is the parser's.
pub(crate) fn check_syntax(filter: &str) -> Result<(), String> {
    parse::check_syntax(filter)
}
